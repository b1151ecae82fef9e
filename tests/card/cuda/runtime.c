/* A CUDA runtime without a card, preloaded under torch's CUDA build. Memory is reserved and never touched, kernels do nothing,
   and everything is counted. The environment describes the card: CARD_MEMORY_MB, CARD_OTHER_MB (what other programs hold of
   it), CARD_CAPABILITY (86 is 8.6), CARD_NAME, CARD_COUNT, CARD_MULTIPROCESSORS, CARD_DRIVER, CARD_SPILL (Windows' way: what
   does not fit goes to RAM). card_resize changes its memory while it runs. */
#define _GNU_SOURCE
#include <cuda_runtime_api.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MOST_CARDS 8
#define PAGE 4096
#define MOST_COPIED (64 << 10) /* larger copies are counted, and read as zeros */

/* Read by tests/card/stand_in.py, in this order. */
typedef struct {
  uint64_t launches, synchronisations, event_synchronisations;
  uint64_t copies_to_card, bytes_to_card, copies_to_host, bytes_to_host, waiting_copies;
  uint64_t allocations, out_of_memory, used, peak, used_on_second, convolutions, products, page_locked, contexts;
} Counts;

typedef struct {
  char *start;
  size_t size;
  int card; /* -1: page-locked memory of the host */
} Block;

Counts card_counts;
static Block *blocks;
static int block_count, block_room;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t used[MOST_CARDS], peak[MOST_CARDS], total_bytes, other_bytes, page_locked;
static unsigned char has_context[MOST_CARDS]; /* whatever computes on a card, or chooses it, makes one there */
static __thread int current;
static __thread cudaError_t last;

static long setting(const char *name, long otherwise) {
  const char *value = getenv(name);
  return value ? atol(value) : otherwise;
}
static int ndev(void) { return (int)setting("CARD_COUNT", 1); }
static int cc(void) { return (int)setting("CARD_CAPABILITY", 86); }
static cudaError_t fail(cudaError_t error) {
  last = error;
  return error;
}

__attribute__((constructor)) static void read_settings(void) {
  total_bytes = (size_t)setting("CARD_MEMORY_MB", 8192) << 20;
  other_bytes = (size_t)setting("CARD_OTHER_MB", 600) << 20;
}

void card_resize(long megabytes, long other_megabytes) {
  total_bytes = (size_t)megabytes << 20;
  other_bytes = (size_t)other_megabytes << 20;
}
void card_read(Counts *counts) {
  *counts = card_counts;
  counts->used = used[0];
  counts->peak = peak[0];
  counts->used_on_second = used[1];
  counts->page_locked = page_locked;
  for (int i = 0; i < MOST_CARDS; i++)
    counts->contexts += has_context[i];
}
void card_reset(void) {
  memset(&card_counts, 0, sizeof card_counts);
  for (int i = 0; i < MOST_CARDS; i++)
    peak[i] = used[i];
}

/* memory */
static int find(const void *pointer) {
  for (int i = 0; i < block_count; i++)
    if ((char *)pointer >= blocks[i].start && (char *)pointer < blocks[i].start + blocks[i].size)
      return i;
  return -1;
}
static void add(char *start, size_t size, int card) {
  if (block_count == block_room) {
    block_room = block_room ? 2 * block_room : 256;
    blocks = realloc(blocks, block_room * sizeof *blocks);
  }
  blocks[block_count++] = (Block){start, size, card};
}
/* The card that holds a pointer; -1 for page-locked and -2 for other memory of the host. */
static int card_of(const void *pointer) {
  pthread_mutex_lock(&lock);
  int i = find(pointer), card = i >= 0 ? blocks[i].card : -2;
  pthread_mutex_unlock(&lock);
  return card;
}
static void *reserve(size_t size) {
  void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return start == MAP_FAILED ? NULL : start;
}
static int take(int card, size_t size) {
  if (!getenv("CARD_SPILL") && used[card] + size + other_bytes > total_bytes) {
    card_counts.out_of_memory++;
    return 0;
  }
  used[card] += size;
  if (used[card] > peak[card])
    peak[card] = used[card];
  return 1;
}
cudaError_t cudaMalloc(void **pointer, size_t size) {
  size = size ? (size + PAGE - 1) / PAGE * PAGE : PAGE;
  has_context[current] = 1;
  pthread_mutex_lock(&lock);
  card_counts.allocations++;
  *pointer = take(current, size) ? reserve(size) : NULL;
  if (*pointer)
    add(*pointer, size, current);
  pthread_mutex_unlock(&lock);
  return *pointer ? cudaSuccess : fail(cudaErrorMemoryAllocation);
}
static cudaError_t release(void *pointer) {
  pthread_mutex_lock(&lock);
  int i = pointer ? find(pointer) : -1;
  if (i >= 0) {
    munmap(blocks[i].start, blocks[i].size);
    *(blocks[i].card >= 0 ? &used[blocks[i].card] : &page_locked) -= blocks[i].size;
    blocks[i] = blocks[--block_count];
  }
  pthread_mutex_unlock(&lock);
  return cudaSuccess;
}
cudaError_t cudaFree(void *p) { return release(p); }
cudaError_t cudaMallocAsync(void **p, size_t n, cudaStream_t s) { return cudaMalloc(p, n); }
cudaError_t cudaFreeAsync(void *p, cudaStream_t s) { return release(p); }
cudaError_t cudaMallocManaged(void **p, size_t n, unsigned f) { return cudaMalloc(p, n); }
cudaError_t cudaMallocHost(void **pointer, size_t size) {
  size = size ? (size + PAGE - 1) / PAGE * PAGE : PAGE;
  *pointer = reserve(size);
  has_context[current] = 1;
  pthread_mutex_lock(&lock);
  page_locked += size;
  add(*pointer, size, -1);
  pthread_mutex_unlock(&lock);
  return *pointer ? cudaSuccess : fail(cudaErrorMemoryAllocation);
}
cudaError_t cudaHostAlloc(void **p, size_t n, unsigned f) { return cudaMallocHost(p, n); }
cudaError_t cudaFreeHost(void *p) { return release(p); }
cudaError_t cudaHostRegister(void *p, size_t n, unsigned f) { return cudaSuccess; }
cudaError_t cudaHostUnregister(void *p) { return cudaSuccess; }

/* copies */
static void zero_pages(char *start, size_t size) {
  char *first = (char *)(((uintptr_t)start + PAGE - 1) / PAGE * PAGE), *end = (char *)((uintptr_t)(start + size) / PAGE * PAGE);
  memset(start, 0, first - start);
  madvise(first, end - first, MADV_DONTNEED);
  memset(end, 0, start + size - end);
}
static void copy(void *to, const void *from, size_t size) {
  int target = card_of(to), source = card_of(from);
  if (target >= 0 && source < 0) {
    card_counts.copies_to_card++;
    card_counts.bytes_to_card += size;
  }
  if (target < 0 && source >= 0) {
    card_counts.copies_to_host++;
    card_counts.bytes_to_host += size;
    card_counts.waiting_copies += target == -2;
    if (size == 1) {
      *(char *)to = 1; /* the answer to "are all finite?" */
      return;
    }
  }
  if (size <= MOST_COPIED)
    memmove(to, from, size);
  else if (target < 0)
    zero_pages(to, size);
}
cudaError_t cudaMemcpy(void *d, const void *s, size_t n, enum cudaMemcpyKind k) {
  card_counts.synchronisations++;
  copy(d, s, n);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *d, const void *s, size_t n, enum cudaMemcpyKind k, cudaStream_t st) {
  copy(d, s, n);
  return cudaSuccess;
}
cudaError_t cudaMemcpy2DAsync(void *d, size_t dp, const void *s, size_t sp, size_t w, size_t h, enum cudaMemcpyKind k,
                              cudaStream_t st) {
  for (size_t i = 0; i < h; i++)
    copy((char *)d + i * dp, (char *)s + i * sp, w);
  return cudaSuccess;
}
cudaError_t cudaMemcpyPeerAsync(void *d, int dd, const void *s, int sd, size_t n, cudaStream_t st) {
  copy(d, s, n);
  return cudaSuccess;
}
cudaError_t cudaMemcpyToSymbol(const void *sym, const void *s, size_t n, size_t o, enum cudaMemcpyKind k) {
  return cudaSuccess;
}
cudaError_t cudaMemset(void *p, int v, size_t n) { return cudaSuccess; }
cudaError_t cudaMemsetAsync(void *p, int v, size_t n, cudaStream_t s) { return cudaSuccess; }
cudaError_t cudaMemGetInfo(size_t *f, size_t *t) {
  has_context[current] = 1;
  *t = total_bytes;
  size_t o = used[current] + other_bytes;
  *f = o < total_bytes ? total_bytes - o : 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int *c) {
  *c = ndev();
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int *d) {
  *d = current;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int d) {
  if (d >= ndev())
    return fail(cudaErrorInvalidDevice);
  current = d;
  has_context[d] = 1;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize(void) {
  card_counts.synchronisations++;
  return cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int *c, int a, int b) {
  *c = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int d, unsigned f) { return cudaSuccess; }
cudaError_t cudaDeviceGetStreamPriorityRange(int *l, int *g) {
  if (l)
    *l = 0;
  if (g)
    *g = -5;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char *p, int n, int d) {
  snprintf(p, n, "0000:01:00.%d", d);
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *v) {
  *v = (int)setting("CARD_DRIVER", 13020);
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *v) {
  *v = 13020;
  return cudaSuccess;
}
static int sms(void) { return (int)setting("CARD_MULTIPROCESSORS", 28); }
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int d) {
  memset(p, 0, sizeof *p);
  const char *n = getenv("CARD_NAME");
  snprintf(p->name, 255, "%s", n ? n : "NVIDIA GeForce RTX 3060");
  p->totalGlobalMem = total_bytes;
  p->sharedMemPerBlock = 49152;
  p->regsPerBlock = 65536;
  p->warpSize = 32;
  p->memPitch = 2147483647;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 2147483647;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->totalConstMem = 65536;
  p->major = cc() / 10;
  p->minor = cc() % 10;
  p->textureAlignment = 512;
  p->texturePitchAlignment = 32;
  p->multiProcessorCount = sms();
  p->canMapHostMemory = 1;
  p->concurrentKernels = 1;
  p->pciBusID = 1;
  p->asyncEngineCount = 2;
  p->unifiedAddressing = 1;
  p->memoryBusWidth = 192;
  p->l2CacheSize = 3 << 20;
  p->maxThreadsPerMultiProcessor = cc() == 75 ? 1024 : 1536;
  p->streamPrioritiesSupported = 1;
  p->globalL1CacheSupported = 1;
  p->localL1CacheSupported = 1;
  p->sharedMemPerMultiprocessor = cc() == 75 ? 65536 : 102400;
  p->regsPerMultiprocessor = 65536;
  p->managedMemory = 1;
  p->cooperativeLaunch = 1;
  p->sharedMemPerBlockOptin = cc() == 75 ? 65536 : 101376;
  p->maxBlocksPerMultiProcessor = 16;
  p->reservedSharedMemPerBlock = 1024;
  p->hostRegisterSupported = 1;
  p->memoryPoolsSupported = 1;
  p->uuid.bytes[0] = (char)(d + 1);
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *v, enum cudaDeviceAttr a, int d) {
  struct cudaDeviceProp p;
  cudaGetDeviceProperties(&p, d);
  switch ((int)a) {
  case 1: *v = 1024; break;
  case 2:
  case 3: *v = 1024; break;
  case 4: *v = 64; break;
  case 5: *v = 2147483647; break;
  case 6:
  case 7: *v = 65535; break;
  case 8: *v = 49152; break;
  case 10: *v = 32; break;
  case 12: *v = 65536; break;
  case 13: *v = 1777000; break;
  case 16: *v = p.multiProcessorCount; break;
  case 36: *v = 7501000; break;
  case 37: *v = 192; break;
  case 38: *v = p.l2CacheSize; break;
  case 39: *v = p.maxThreadsPerMultiProcessor; break;
  case 41: *v = 1; break;
  case 75: *v = p.major; break;
  case 76: *v = p.minor; break;
  case 78: *v = 1; break;
  case 81: *v = (int)p.sharedMemPerMultiprocessor; break;
  case 82: *v = 65536; break;
  case 95: *v = 1; break;
  case 97: *v = (int)p.sharedMemPerBlockOptin; break;
  case 99: *v = 1; break;
  case 106: *v = 16; break;
  case 111: *v = 1024; break;
  case 115: *v = 1; break;
  default: *v = 0;
  }
  return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *a, const void *f) {
  memset(a, 0, sizeof *a);
  a->maxThreadsPerBlock = 1024;
  a->numRegs = 32;
  a->ptxVersion = a->binaryVersion = cc();
  a->maxDynamicSharedSizeBytes = 49152;
  return cudaSuccess;
}
cudaError_t cudaFuncSetAttribute(const void *f, enum cudaFuncAttribute a, int v) { return cudaSuccess; }
cudaError_t cudaKernelSetAttributeForDevice(cudaKernel_t k, enum cudaFuncAttribute a, int v, int d) { return cudaSuccess; }
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *n, const void *f, int b, size_t s) {
  *n = 2;
  return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *n, const void *f, int b, size_t s, unsigned fl) {
  *n = 2;
  return cudaSuccess;
}
cudaError_t cudaGetLastError(void) {
  cudaError_t e = last;
  last = cudaSuccess;
  return e;
}
cudaError_t cudaPeekAtLastError(void) { return last; }
const char *cudaGetErrorString(cudaError_t e) {
  return e == cudaErrorMemoryAllocation ? "out of memory" : e ? "some error" : "no error";
}
const char *cudaGetErrorName(cudaError_t e) {
  return e == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : e ? "cudaErrorUnknown" : "cudaSuccess";
}
cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *a, const void *p) {
  memset(a, 0, sizeof *a);
  int d = card_of(p);
  a->device = d >= 0 ? d : 0;
  a->type = d >= 0 ? cudaMemoryTypeDevice : d == -1 ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered;
  if (d >= 0)
    a->devicePointer = (void *)p;
  else
    a->hostPointer = (void *)p;
  return cudaSuccess;
}
/* streams and events */
static void *handle(void) { return malloc(16); }
cudaError_t cudaStreamCreate(cudaStream_t *s) {
  *s = handle();
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned f) {
  *s = handle();
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned f, int p) {
  *s = handle();
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t s) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  card_counts.synchronisations++;
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t s) { return cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned f) { return cudaSuccess; }
cudaError_t cudaStreamGetPriority(cudaStream_t s, int *p) {
  *p = 0;
  return cudaSuccess;
}
cudaError_t cudaStreamAddCallback(cudaStream_t s, cudaStreamCallback_t c, void *u, unsigned f) {
  c(s, cudaSuccess, u);
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t s, cudaHostFn_t f, void *u) {
  f(u);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t *e) {
  *e = handle();
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned f) {
  *e = handle();
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t e) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) { return cudaSuccess; }
cudaError_t cudaEventRecordWithFlags(cudaEvent_t e, cudaStream_t s, unsigned f) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  card_counts.event_synchronisations++;
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t e) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float *t, cudaEvent_t a, cudaEvent_t b) {
  *t = 0.1f;
  return cudaSuccess;
}
static __thread int capturing;
cudaError_t cudaStreamIsCapturing(cudaStream_t s, enum cudaStreamCaptureStatus *st) {
  *st = capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t s, enum cudaStreamCaptureStatus *st, unsigned long long *id, cudaGraph_t *g,
                                     const cudaGraphNode_t **dep, const cudaGraphEdgeData **ed, size_t *nd) {
  *st = capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  if (id)
    *id = 1;
  if (g)
    *g = (cudaGraph_t)0x10;
  if (dep)
    *dep = NULL;
  if (ed)
    *ed = NULL;
  if (nd)
    *nd = 0;
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode m) {
  capturing = 1;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *g) {
  capturing = 0;
  *g = handle();
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *m) { return cudaSuccess; }
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *e, cudaGraph_t g, unsigned long long f) {
  *e = handle();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *e, cudaGraph_t g, unsigned long long f) {
  *e = handle();
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t g, cudaGraphNode_t *n, size_t *c) {
  *c = 1;
  return cudaSuccess;
}
/* kernels */
typedef struct {
  dim3 g, b;
  size_t sh;
  cudaStream_t st;
} Conf;
static __thread Conf conf[64];
static __thread int depth;
void **__cudaRegisterFatBinary(void *f) {
  static void *h[4096];
  static int i;
  return &h[i < 4095 ? i++ : i];
}
void __cudaRegisterFatBinaryEnd(void **h) {}
void __cudaUnregisterFatBinary(void **h) {}
void __cudaRegisterFunction(void **h, const char *f, char *df, const char *n, int t, void *a, void *b, void *c, void *d,
                            int *w) {}
void __cudaRegisterVar(void **h, char *v, char *a, const char *n, int e, size_t s, int c, int g) {}
unsigned __cudaPushCallConfiguration(dim3 g, dim3 b, size_t sh, struct CUstream_st *st) {
  if (depth < 64)
    conf[depth++] = (Conf){g, b, sh, st};
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3 *g, dim3 *b, size_t *sh, void *st) {
  Conf c = depth ? conf[--depth] : (Conf){{1, 1, 1}, {1, 1, 1}, 0, 0};
  *g = c.g;
  *b = c.b;
  *sh = c.sh;
  *(cudaStream_t *)st = c.st;
  return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t *k, const void *f) {
  *k = (cudaKernel_t)f;
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t k, dim3 g, dim3 b, void **a, size_t sh, cudaStream_t s) {
  card_counts.launches++;
  return cudaSuccess;
}
cudaError_t cudaLaunchKernel(const void *f, dim3 g, dim3 b, void **a, size_t sh, cudaStream_t s) {
  card_counts.launches++;
  return cudaSuccess;
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *c, const void *f, void **a) {
  card_counts.launches++;
  return cudaSuccess;
}
cudaError_t cudaLaunchCooperativeKernel(const void *f, dim3 g, dim3 b, void **a, size_t sh, cudaStream_t s) {
  card_counts.launches++;
  return cudaSuccess;
}
cudaError_t cudaGetSymbolAddress(void **p, const void *s) {
  static char z[1 << 16];
  *p = z;
  return cudaSuccess;
}
/* driver entry points */
static int zero(void) { return 0; }
static int state(int d, unsigned *f, int *a) {
  if (f)
    *f = 0;
  if (a)
    *a = has_context[d];
  return 0;
}
static int getctx(void **c) {
  *c = (void *)0x1;
  return 0;
}
static int attr(int *v, int a, int d) { return cudaDeviceGetAttribute(v, a, d); }
cudaError_t cudaGetDriverEntryPointByVersion(const char *n, void **p, unsigned v, unsigned long long f,
                                             enum cudaDriverEntryPointQueryResult *r) {
  *p = !strcmp(n, "cuDevicePrimaryCtxGetState") ? (void *)state
       : !strcmp(n, "cuCtxGetCurrent")          ? (void *)getctx
       : !strcmp(n, "cuDeviceGetAttribute")     ? (void *)attr
                                                : (void *)zero;
  if (r)
    *r = 0;
  return cudaSuccess;
}
