// The last error of each thread, as the C interface tells it.
#include "Inner.h"
#include <string.h>

static _Thread_local struct {
    int32_t slot;
    uint64_t epoch;
    char text[512];
} last = {-1, 0, ""};

void claw_remember(int32_t slot, uint64_t epoch, const char *text) {
    last.slot = slot;
    last.epoch = epoch;
    strncpy(last.text, text, sizeof last.text - 1);
}

OPENCLAW_API const char *openclaw_error_text(void) { return last.text; }
OPENCLAW_API int32_t openclaw_error_slot(void) { return last.slot; }
OPENCLAW_API uint64_t openclaw_error_epoch(void) { return last.epoch; }
OPENCLAW_API int32_t openclaw_collectives_version(void) { return 1; }
OPENCLAW_API int32_t openclaw_host_id(char *into, size_t capacity) {
    if (into && claw_host_identity(into, capacity) == OPENCLAW_OK) return OPENCLAW_OK;
    claw_remember(-1, 0, "the host's name does not fit: give 128 bytes, and a shorter OPENCLAW_HOST");
    return OPENCLAW_BAD_ARGUMENT;
}
