// Opens libgrpc. Its version is the one that these headers describe; another one's layout would not be ours to guess.
#include "CGRPCLibrary.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "CGRPC.h"

claw_grpc_library claw_grpc;

static char failure[512];
static pthread_once_t once = PTHREAD_ONCE_INIT;

// gpr functions live in libgpr, which libgrpc brings along.
static void *library_of_this_build(void) {
    static const char *const names[] = {"libgrpc.so.29", "libgrpc.so"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);
        if (library) return library;
    }
    snprintf(failure, sizeof failure, "%s", dlerror());
    return NULL;
}

static claw_rpc_log heard;

static void pass_on(gpr_log_func_args *said) {
    claw_rpc_log log = heard;
    if (log) log(said->severity == GPR_LOG_SEVERITY_ERROR, said->message ? said->message : "");
}

static void open_library(void) {
    void *library = library_of_this_build();
    if (!library) return;
#define CLAW_GRPC_FIND(name)                                                            \
    if (!(claw_grpc.name = (__typeof__(claw_grpc.name))dlsym(library, #name))) {        \
        snprintf(failure, sizeof failure, "libgrpc has no function %s", #name);         \
        return;                                                                         \
    }
    CLAW_GRPC_FUNCTIONS(CLAW_GRPC_FIND)
    claw_grpc.gpr_set_log_function(pass_on);
    claw_grpc.grpc_init();
}

const char *claw_rpc_open(claw_rpc_log log) {
    heard = log;
    pthread_once(&once, open_library);
    return failure[0] ? failure : NULL;
}
