/* libcuda.so.1 */
#include <string.h>
#include <stddef.h>
extern int cudaDeviceGetAttribute(int *, int, int);
int cuInit(unsigned f) { return 0; }
int cuDevicePrimaryCtxGetState(int d, unsigned *f, int *a) {
  if (f)
    *f = 0;
  if (a)
    *a = 1;
  return 0;
}
int cuDevicePrimaryCtxRetain(void **c, int d) {
  *c = (void *)1;
  return 0;
}
int cuCtxGetCurrent(void **c) {
  *c = (void *)1;
  return 0;
}
int cuCtxSetCurrent(void *c) { return 0; }
int cuDriverGetVersion(int *v) {
  *v = 13020;
  return 0;
}
int cuDeviceGetCount(int *n) {
  *n = 1;
  return 0;
}
int cuDeviceGet(int *d, int o) {
  *d = o;
  return 0;
}
int cuGetErrorString(int e, const char **s) {
  *s = "some driver error";
  return 0;
}
static int zero(void) { return 0; }
int cuGetProcAddress(const char *n, void **p, int v, unsigned long long f) {
  *p = (void *)zero;
  return 0;
}
int cuGetProcAddress_v2(const char *n, void **p, int v, unsigned long long f, void *r) {
  *p = (void *)zero;
  return 0;
}
