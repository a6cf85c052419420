// The mesh of one epoch, as operations see it.
#include "Inner.h"
#include "Region.h"
#include <stdlib.h>
#include <string.h>

claw_mesh *claw_mesh_create(uint64_t epoch, int32_t slot, claw_interrupt *interrupt, claw_meter *meter) {
    claw_mesh *mesh = calloc(1, sizeof *mesh);
    if (!mesh) return 0;
    mesh->epoch = epoch;
    mesh->slot = slot;
    mesh->interrupt = interrupt;
    mesh->meter = meter;
    return mesh;
}

void claw_mesh_destroy(claw_mesh *mesh) {
    for (int32_t i = 0; mesh->links && i < mesh->hosts; i++) claw_link_free(mesh->links[i]);
    free(mesh->links);
    free(mesh->staging);
    atomic_store(&mesh->interrupt->region, 0);
    if (mesh->region) claw_region_destroy(mesh->region);
    free(mesh);
}

void claw_mesh_set_region(claw_mesh *mesh, claw_region *region, const int32_t *slots, const int32_t *members, int32_t count) {
    mesh->region = region;
    memcpy(mesh->local_slots, slots, (size_t)count * sizeof *slots);
    memcpy(mesh->local_members, members, (size_t)count * sizeof *members);
    atomic_store(&mesh->interrupt->region, region);
    // What was raised before the region was known breaks it now.
    int32_t code = claw_interrupt_code(mesh->interrupt);
    if (code != 0) claw_region_break(region, code, claw_interrupt_slot(mesh->interrupt));
}

uint8_t *claw_staging(claw_mesh *mesh, size_t bytes, claw_failure *failure) {
    if (bytes <= mesh->staging_bytes) return mesh->staging;
    free(mesh->staging);
    mesh->staging_bytes = (bytes + 4095) / 4096 * 4096;
    mesh->staging = aligned_alloc(64, mesh->staging_bytes);
    if (!mesh->staging) {
        claw_fail(failure, OPENCLAW_FAILED, -1, "no memory for %zu bytes that are on their way", mesh->staging_bytes);
        mesh->staging_bytes = 0;
    }
    return mesh->staging;
}
