/* A CUDA driver without a GPU: memory is the host's, copies are made at once, kernels are taken and not run.

What it is for: everything that a program does with CUDA on the host happens as it would with a GPU, so that mistakes in
it show, and its time can be measured as if the GPU took none. Results are rubbish. Kernels are compiled for real.
Copies that the host does not wait for are the GPU's: they are made only where a log is kept.

Numbers of attributes and of errors are those of the CUDA driver API's reference. Of its functions there are those that
numba-cuda and cuda.core ask for; asked for another they raise an error that names it.

NULL_DRIVER_LOG names a file for a line on every launch, copy and allocation. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))
#define PLAIN(name, ...) EXPORT int name(__VA_ARGS__)

typedef uintptr_t Pointer;
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, NOT_FOUND = 500 };

static const size_t CAPACITY = (size_t)8 << 30;
static size_t in_use, peak;
static char primary_context;

static FILE *log_file(void) {
    static FILE *file;
    static int asked;
    if (!asked) {
        const char *path = getenv("NULL_DRIVER_LOG");
        file = path ? fopen(path, "a") : NULL;
        asked = 1;
    }
    return file;
}

static void say(const char *format, ...) {
    FILE *file = log_file();
    if (!file) return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fflush(file);
}

/* The device: an H100 but for its 8 GB of memory, which are the host's. */

PLAIN(cuInit, unsigned flags) { return SUCCESS; }
PLAIN(cuDriverGetVersion, int *version) { return *version = 12090, SUCCESS; }
PLAIN(cuDeviceGetCount, int *count) { return *count = 1, SUCCESS; }
PLAIN(cuDeviceGet, int *device, int ordinal) { return *device = ordinal, SUCCESS; }
PLAIN(cuDeviceGetName, char *name, int size, int device) { return snprintf(name, size, "no GPU"), SUCCESS; }
PLAIN(cuDeviceTotalMem, size_t *bytes, int device) { return *bytes = CAPACITY, SUCCESS; }
PLAIN(cuDeviceGetUuid, unsigned char *uuid, int device) { return memset(uuid, 7, 16), SUCCESS; }
PLAIN(cuDeviceGetAttribute, int *value, int attribute, int device) {
    static const int known[][2] = {
        {1, 1024},     {2, 1024},     {3, 1024},       {4, 64},      {5, 2147483647}, {6, 65535}, {7, 65535},
        {8, 49152},    {10, 32},      {12, 65536},     {13, 1980000}, {16, 132},      {19, 1},    {36, 2619000},
        {37, 5120},    {39, 2048},    {41, 1},         {75, 9},      {76, 0},         {81, 233472}, {97, 232448},
    };
    *value = 0;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (known[k][0] == attribute) *value = known[k][1];
    return SUCCESS;
}

/* Contexts: one, on a stack of each thread. */

static __thread void *contexts[64];
static __thread int depth;

PLAIN(cuDevicePrimaryCtxRetain, void **context, int device) { return *context = &primary_context, SUCCESS; }
PLAIN(cuDevicePrimaryCtxRelease, int device) { return SUCCESS; }
PLAIN(cuDevicePrimaryCtxReset, int device) { return SUCCESS; }
PLAIN(cuDevicePrimaryCtxGetState, int device, unsigned *flags, int *is_active) {
    return *flags = 0, *is_active = 1, SUCCESS;
}
PLAIN(cuCtxGetCurrent, void **context) { return *context = depth ? contexts[depth - 1] : NULL, SUCCESS; }
PLAIN(cuCtxSetCurrent, void *context) { return contexts[depth ? depth - 1 : depth++] = context, SUCCESS; }
PLAIN(cuCtxPushCurrent, void *context) { return contexts[depth++] = context, SUCCESS; }
PLAIN(cuCtxPopCurrent, void **context) {
    return depth ? (*context = contexts[--depth], SUCCESS) : INVALID_CONTEXT;
}
PLAIN(cuCtxGetDevice, int *device) { return *device = 0, SUCCESS; }
PLAIN(cuCtxSynchronize, void) { return say("synchronise\n"), SUCCESS; }

/* Memory: of the host; where a log is kept, filled with what no kernel would leave. */

PLAIN(cuMemGetInfo, size_t *free_bytes, size_t *total) {
    return *total = CAPACITY, *free_bytes = CAPACITY - in_use, SUCCESS;
}
PLAIN(cuMemAlloc, Pointer *pointer, size_t size) {
    void *memory;
    if (!size) return INVALID_VALUE;
    if (in_use + size > CAPACITY || posix_memalign(&memory, 512, size)) return OUT_OF_MEMORY;
    if (log_file()) memset(memory, 0xA5, size);
    in_use += malloc_usable_size(memory);
    if (in_use > peak) say("peak %zu\n", peak = in_use);
    return *pointer = (Pointer)memory, SUCCESS;
}
PLAIN(cuMemFree, Pointer pointer) {
    in_use -= malloc_usable_size((void *)pointer);
    return free((void *)pointer), say("free\n"), SUCCESS;
}
PLAIN(cuMemHostAlloc, void **memory, size_t size, unsigned flags) {
    return posix_memalign(memory, 512, size) ? OUT_OF_MEMORY : SUCCESS;
}
PLAIN(cuMemFreeHost, void *memory) { return free(memory), SUCCESS; }
PLAIN(cuMemHostRegister, void *memory, size_t size, unsigned flags) { return say("lock %zu\n", size), SUCCESS; }
PLAIN(cuMemHostUnregister, void *memory) { return say("unlock\n"), SUCCESS; }
PLAIN(cuPointerGetAttribute, void *value, int attribute, Pointer pointer) {
    switch (attribute) {
        case 2: return *(unsigned *)value = 2, SUCCESS;     /* memory type: the device's */
        case 3: return *(Pointer *)value = pointer, SUCCESS; /* device pointer */
        case 4: return *(void **)value = (void *)pointer, SUCCESS;
        default: return *(int *)value = 0, SUCCESS;
    }
}

/* Copies. Those that name no stream are waited for by the host, once all kernels launched before are done. */

static int copy(const char *what, void *to, const void *from, size_t size) {
    say("%s %zu\n", what, size);
    memmove(to, from, size);
    return SUCCESS;
}
PLAIN(cuMemcpyHtoD, Pointer to, const void *from, size_t size) { return copy("h2d waiting", (void *)to, from, size); }
PLAIN(cuMemcpyDtoH, void *to, Pointer from, size_t size) { return copy("d2h waiting", to, (void *)from, size); }
PLAIN(cuMemcpyDtoD, Pointer to, Pointer from, size_t size) { return copy("d2d", (void *)to, (void *)from, size); }
PLAIN(cuMemcpyHtoDAsync, Pointer to, const void *from, size_t size, void *stream) {
    return log_file() ? copy("h2d", (void *)to, from, size) : SUCCESS;
}
PLAIN(cuMemcpyDtoHAsync, void *to, Pointer from, size_t size, void *stream) {
    return log_file() ? copy("d2h", to, (void *)from, size) : SUCCESS;
}

/* Streams and events: all that is asked for is done already. The time between events is the host's. */

PLAIN(cuStreamCreate, void **stream, unsigned flags) { return *stream = malloc(1), SUCCESS; }
PLAIN(cuStreamCreateWithPriority, void **stream, unsigned flags, int priority) { return *stream = malloc(1), SUCCESS; }
PLAIN(cuStreamDestroy, void *stream) { return SUCCESS; }
PLAIN(cuStreamSynchronize, void *stream) { return say("synchronise\n"), SUCCESS; }
PLAIN(cuStreamQuery, void *stream) { return SUCCESS; }
PLAIN(cuStreamWaitEvent, void *stream, void *event, unsigned flags) { return SUCCESS; }
PLAIN(cuStreamGetCtx, void *stream, void **context) { return *context = &primary_context, SUCCESS; }
PLAIN(cuEventCreate, void **event, unsigned flags) { return *event = calloc(1, sizeof(struct timespec)), SUCCESS; }
PLAIN(cuEventDestroy, void *event) { return free(event), SUCCESS; }
PLAIN(cuEventRecord, void *event, void *stream) { return clock_gettime(CLOCK_MONOTONIC, event), SUCCESS; }
PLAIN(cuEventSynchronize, void *event) { return SUCCESS; }
PLAIN(cuEventQuery, void *event) { return SUCCESS; }
PLAIN(cuEventElapsedTime, float *ms, void *start, void *end) {
    const struct timespec *from = start, *to = end;
    *ms = 1e3f * (to->tv_sec - from->tv_sec) + 1e-6f * (to->tv_nsec - from->tv_nsec);
    return SUCCESS;
}

/* Kernels: named, and launched if a GPU would take the launch. */

typedef struct {
    char name[256];
    int shared_allowed;
} Kernel;

static int named(void **kernel, const char *name) {
    Kernel *made = calloc(1, sizeof *made);
    strncpy(made->name, name, sizeof made->name - 1);
    return *kernel = made, SUCCESS;
}
PLAIN(cuLibraryLoadData, void **library, const void *code, void *a, void *b, unsigned c, void *d, void *e, unsigned f) {
    return *library = malloc(1), SUCCESS;
}
PLAIN(cuLibraryUnload, void *library) { return SUCCESS; }
PLAIN(cuLibraryGetKernel, void **kernel, void *library, const char *name) { return named(kernel, name); }
PLAIN(cuLibraryGetModule, void **module, void *library) { return *module = library, SUCCESS; }
PLAIN(cuKernelGetFunction, void **function, void *kernel) { return *function = kernel, SUCCESS; }
PLAIN(cuKernelGetAttribute, int *value, int attribute, void *kernel, int device) {
    return *value = attribute ? 0 : 1024, SUCCESS;
}
PLAIN(cuKernelGetLibrary, void **library, void *kernel) { return *library = kernel, SUCCESS; }
PLAIN(cuModuleLoadDataEx, void **module, const void *code, unsigned n, void *options, void *values) {
    return *module = malloc(1), SUCCESS;
}
PLAIN(cuModuleUnload, void *module) { return SUCCESS; }
PLAIN(cuModuleGetFunction, void **function, void *module, const char *name) { return named(function, name); }
PLAIN(cuFuncGetAttribute, int *value, int attribute, void *function) {
    return *value = attribute ? 0 : 1024, SUCCESS;
}
PLAIN(cuFuncSetAttribute, void *function, int attribute, int value) {
    if (attribute == 8) ((Kernel *)function)->shared_allowed = value;
    return SUCCESS;
}
PLAIN(cuFuncGetModule, void **module, void *function) { return *module = function, SUCCESS; }

static int launch(Kernel *kernel, const unsigned grid[3], const unsigned block[3], unsigned shared) {
    unsigned most = kernel->shared_allowed > 49152 ? kernel->shared_allowed : 49152;
    int fits = grid[0] && grid[1] && grid[2] && grid[0] <= 2147483647u && grid[1] <= 65535 && grid[2] <= 65535;
    fits = fits && block[0] && block[1] && block[2] && block[2] <= 64;
    fits = fits && (size_t)block[0] * block[1] * block[2] <= 1024 && shared <= most;
    say("%s %s (%u, %u, %u) x (%u, %u, %u), shared %u\n", fits ? "launch" : "refused", kernel->name, grid[0], grid[1],
        grid[2], block[0], block[1], block[2], shared);
    return fits ? SUCCESS : INVALID_VALUE;
}
PLAIN(cuLaunchKernel, void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
      unsigned shared, void *stream, void **parameters, void **extra) {
    return launch(function, (unsigned[]){gx, gy, gz}, (unsigned[]){bx, by, bz}, shared);
}
typedef struct {
    unsigned grid[3], block[3], shared;
    void *stream, *attributes;
    unsigned n_attributes;
} Launch;
PLAIN(cuLaunchKernelEx, const Launch *how, void *function, void **parameters, void **extra) {
    return launch(function, how->grid, how->block, how->shared);
}

PLAIN(cuGetErrorString, int error, const char **text) { return *text = "refused by the driver without a GPU", SUCCESS; }
PLAIN(cuGetErrorName, int error, const char **text) {
    *text = error == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_INVALID_VALUE";
    return SUCCESS;
}

/* How programs find all these. */

PLAIN(cuGetProcAddress_v2, const char *name, void **function, int version, uint64_t flags, int *status) {
    void *mine = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    *function = strcmp(name, "cuGetProcAddress") ? dlsym(mine, name) : (void *)cuGetProcAddress_v2;
    if (status) *status = !*function;
    return *function ? SUCCESS : NOT_FOUND;
}
