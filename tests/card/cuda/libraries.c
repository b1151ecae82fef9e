/* cuBLAS and cuDNN that do nothing. */
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <stdint.h>
extern struct {
  uint64_t before[13], convolutions, products, page_locked, contexts;
} card_counts;
/* What the next calls answer instead of success, and how many of them. */
static int failures, failed_with;
void card_fail(int times, int status) {
  failures = times;
  failed_with = status;
}
static int answer(uint64_t *counter) {
  ++*counter;
  return failures > 0 ? failures--, failed_with : 0;
}
int cublasCreate_v2(void **h) {
  *h = malloc(64);
  return 0;
}
int cublasDestroy_v2(void *h) { return 0; }
int cublasGetMathMode(void *h, int *m) {
  *m = 0;
  return 0;
}
int cublasGetPointerMode_v2(void *h, int *m) {
  *m = 0;
  return 0;
}
size_t cublasLtGetVersion(void) { return 130200; }
int cublasLtMatmulDescCreate(void **d, int a, int b) {
  *d = malloc(64);
  return 0;
}
int cublasLtMatrixLayoutCreate(void **d) {
  *d = malloc(64);
  return 0;
}
int cublasLtMatmulPreferenceCreate(void **d) {
  *d = malloc(64);
  return 0;
}
typedef struct {
  unsigned long long algo[8];
  size_t ws;
  int state;
  float waves;
  int reserved[4];
} Heur;
int cublasLtMatmulAlgoGetHeuristic(void *h, void *d, void *a, void *b, void *c, void *e, void *p, int n, Heur *r, int *got) {
  memset(r, 0, sizeof *r);
  *got = 1;
  return 0;
}
int cublasLtMatmulAlgoCheck(void *h, void *d, void *a, void *b, void *c, void *e, void *al, Heur *r) {
  memset(r, 0, sizeof *r);
  return 0;
}
#define B(name)                                                                                                                \
  int name() { return answer(&card_counts.products); }
#define Q(name)                                                                                                                \
  int name() { return 0; }
B(cublasLtMatmul)
B(cublasGemmEx) B(cublasGemmStridedBatchedEx) B(cublasSgemmEx) B(cublasSgemv_v2) B(cublasDgemm_v2) B(cublasDgemv_v2)
    B(cublasSdot_v2) B(cublasDdot_v2) B(cublasDotEx) B(cublasCgemm_v2) B(cublasZgemm_v2) B(cublasDgemmStridedBatched)
        B(cublasCgemmStridedBatched) B(cublasZgemmStridedBatched) B(cublasSgemmStridedBatched) B(cublasSgemm_v2)
            Q(cublasSetMathMode) Q(cublasSetPointerMode_v2) Q(cublasSetSmCountTarget) Q(cublasSetStream_v2)
                Q(cublasSetWorkspace_v2) Q(cublasLtMatmulAlgoConfigGetAttribute) Q(cublasLtMatmulAlgoConfigSetAttribute)
                    Q(cublasLtMatmulAlgoInit) Q(cublasLtMatmulDescDestroy) Q(cublasLtMatmulDescSetAttribute)
                        Q(cublasLtMatmulPreferenceDestroy) Q(cublasLtMatmulPreferenceSetAttribute)
                            Q(cublasLtMatrixLayoutDestroy) Q(cublasLtMatrixLayoutSetAttribute) int cudnnCreate(void **h) {
  *h = malloc(64);
  return 0;
}
/* A tensor's descriptor, and the convolutions' workspace: CARD_WORKSPACE tenths of the size of their input. */
typedef struct {
  int type, dimensions, sides[8];
} Tensor;
int cudnnSetTensorNdDescriptor(Tensor *tensor, int type, int dimensions, const int *sides, const int *strides) {
  tensor->type = type;
  tensor->dimensions = dimensions < 8 ? dimensions : 8;
  memcpy(tensor->sides, sides, tensor->dimensions * sizeof(int));
  return 0;
}
static size_t workspace(const Tensor *input) {
  const char *tenths = getenv("CARD_WORKSPACE");
  size_t size = input->type == 0 ? 4 : input->type == 1 ? 8 : 2;
  for (int i = 0; i < input->dimensions; i++)
    size *= input->sides[i];
  return size * (tenths ? atol(tenths) : 61) / 10;
}
#define D(name)                                                                                                                \
  int name(void **d) {                                                                                                         \
    *d = malloc(64);                                                                                                           \
    return 0;                                                                                                                  \
  }
D(cudnnCreateTensorDescriptor)
D(cudnnCreateFilterDescriptor) D(cudnnCreateConvolutionDescriptor) D(cudnnCreateActivationDescriptor) Q(cudnnSetStream)
    Q(cudnnSetFilterNdDescriptor) Q(cudnnSetConvolutionNdDescriptor)
        Q(cudnnSetConvolutionGroupCount) Q(cudnnSetConvolutionMathType) Q(cudnnDestroyTensorDescriptor)
            Q(cudnnDestroyFilterDescriptor) Q(cudnnDestroyConvolutionDescriptor) Q(cudnnDestroyActivationDescriptor)
                Q(cudnnSetActivationDescriptor) typedef struct {
  int algo, status;
  float time;
  size_t memory;
  int determinism, mathType;
  int reserved[3];
} Perf;
int cudnnGetConvolutionForwardAlgorithm_v7(void *h, Tensor *s, void *f, void *c, void *d, int n, int *got, Perf *p) {
  memset(p, 0, sizeof *p);
  p->algo = 1;
  p->memory = workspace(s);
  p->mathType = 1;
  *got = 1;
  return 0;
}
int cudnnFindConvolutionForwardAlgorithmEx(void *h, Tensor *s, void *x, void *f, void *w, void *c, void *d, void *y, int n,
                                           int *got, Perf *p, void *ws, size_t wn) {
  memset(p, 0, sizeof *p);
  p->algo = 1;
  p->memory = workspace(s);
  p->mathType = 1;
  *got = 1;
  return 0;
}
int cudnnGetConvolutionForwardWorkspaceSize(void *h, Tensor *s, void *f, void *c, void *d, int a, size_t *n) {
  *n = workspace(s);
  return 0;
}
int cudnnConvolutionForward() { return answer(&card_counts.convolutions); }
int cudnnConvolutionBiasActivationForward() { return answer(&card_counts.convolutions); }
const char *cudnnGetErrorString(int s) { return s ? "some cuDNN error" : "CUDNN_STATUS_SUCCESS"; }
/* the rest */
#define Z(name)                                                                                                                \
  int name() { return 0; }
Z(cudaProfilerStart)
Z(cudaProfilerStop) Z(cudaIpcOpenMemHandle) Z(cudaIpcOpenEventHandle) Z(cudaIpcGetMemHandle) Z(cudaIpcGetEventHandle)
    Z(cudaIpcCloseMemHandle) Z(cudaUserObjectRelease) Z(cudaUserObjectCreate) Z(cudaStreamUpdateCaptureDependencies)
        Z(cudaStreamBeginCaptureToGraph) Z(cudaMemPoolTrimTo) Z(cudaMemPoolSetAttribute) Z(cudaMemPoolSetAccess)
            Z(cudaMemPoolGetAttribute) Z(cudaLibraryUnload) Z(cudaLibraryLoadFromFile) Z(cudaLibraryLoadData)
                Z(cudaLibraryGetUnifiedFunction) Z(cudaLibraryGetManaged) Z(cudaLibraryGetKernelCount) Z(cudaLibraryGetKernel)
                    Z(cudaLibraryGetGlobal) Z(cudaGraphRetainUserObject) Z(cudaGraphNodeGetDependencies) Z(cudaGraphLaunch)
                        Z(cudaGraphExecDestroy) Z(cudaGraphDestroy) Z(cudaGraphConditionalHandleCreate) Z(cudaGraphAddNode)
                            Z(cudaDeviceSetGraphMemAttribute) Z(cudaDeviceGetGraphMemAttribute) Z(cudaDeviceGetDefaultMemPool)
