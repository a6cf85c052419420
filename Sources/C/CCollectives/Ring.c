// Operations between many hosts, where each talks to its neighbours only, and those that send bytes as they are.
#include "Inner.h"
#include <string.h>

#define PIECE_VALUES 262144u
#define PIECE_MULTIPLE 256u
#define SMALL 8192
#define CHAIN_BYTES (256u << 10)  // a broadcast beyond this goes from host to host, not from one to all

typedef struct {
    claw_mesh *mesh;
    const claw_operation *operation;
    uint8_t *data;
    claw_failure *failure;
    bool is_encoded;
    uint64_t each, piece;
    uint8_t *in, *out;  // one piece as it travels
} ring;

typedef struct { uint64_t from, count; } values;

static values piece_of(const ring *at, uint64_t round, int32_t host) {
    int32_t hosts = at->mesh->hosts;
    uint64_t index = round * (uint64_t)hosts + (uint64_t)((host % hosts + hosts) % hosts);
    uint64_t from = index * at->piece, count = at->operation->count;
    if (from >= count) return (values){count, 0};
    return (values){from, count - from < at->piece ? count - from : at->piece};
}

static uint64_t travelling(const ring *at, uint64_t count) {
    return at->is_encoded ? claw_wire_bytes(at->operation->wire, count) : count * at->each;
}

/// Sends `bytes` to the next host while a piece comes from the one before.
static int32_t pass(ring *at, int kind, uint32_t part, const void *bytes, uint64_t sent, void *into, uint64_t received) {
    claw_mesh *mesh = at->mesh;
    int32_t next = (mesh->host + 1) % mesh->hosts, before = (mesh->host + mesh->hosts - 1) % mesh->hosts;
    if (received > 0) claw_link_receive(mesh->links[before], mesh, at->operation, kind, part, into, received);
    if (sent > 0) claw_link_send(mesh->links[next], mesh, at->operation, kind, part, bytes, sent);
    return claw_pump_all(mesh, at->operation, at->failure);
}

static float *residual_at(float *residual, uint64_t place) { return residual ? residual + place : 0; }

static const uint8_t *encoded(ring *at, values piece) {
    const claw_operation *o = at->operation;
    if (!at->is_encoded) return at->data + piece.from * at->each;
    claw_encode(
        o->wire, (const float *)(const void *)at->data + piece.from, residual_at(o->residual, piece.from),
        residual_at(o->residual_next, piece.from), piece.count, at->out);
    return at->out;
}

/// What came is added before the own values: the sum of a piece goes round in the order of the ring.
static void add(ring *at, values piece, bool is_last) {
    const claw_operation *o = at->operation;
    uint8_t *place = at->data + piece.from * at->each;
    if (piece.count == 0) return;
    if (at->is_encoded) {
        claw_decode(o->wire, at->in, piece.count, true, 1, (float *)(void *)place);
    } else {
        const void *from[2] = {at->in, place};
        claw_reduce(place, from, 2, piece.count, o->type, o->reduction, is_last ? o->scale : 1);
    }
}

static int32_t reduce_round(ring *at, uint64_t round) {
    int32_t hosts = at->mesh->hosts, mine = at->mesh->host;
    const claw_operation *o = at->operation;
    for (int32_t step = 0; step < hosts - 1; step++) {
        values sent = piece_of(at, round, mine - step), received = piece_of(at, round, mine - step - 1);
        int32_t code = pass(
            at, FRAME_REDUCE, (uint32_t)(round * (uint64_t)hosts + (uint64_t)step), encoded(at, sent), travelling(at, sent.count),
            at->in, travelling(at, received.count));
        if (code != OPENCLAW_OK) return code;
        add(at, received, step == hosts - 2);
    }
    // This host holds the whole of the piece after its own. What it encodes goes round unchanged, and itself reads it too.
    values whole = piece_of(at, round, mine + 1);
    const uint8_t *sent = encoded(at, whole);
    if (at->is_encoded)
        claw_decode(o->wire, sent, whole.count, false, (float)o->scale, (float *)(void *)at->data + whole.from);
    for (int32_t step = 0; step < hosts - 1; step++) {
        values given = piece_of(at, round, mine + 1 - step), received = piece_of(at, round, mine - step);
        uint8_t *place = at->data + received.from * at->each;
        int32_t code = pass(
            at, FRAME_RESULT, (uint32_t)(round * (uint64_t)hosts + (uint64_t)step), sent, travelling(at, given.count),
            at->is_encoded ? at->in : place, travelling(at, received.count));
        if (code != OPENCLAW_OK) return code;
        sent = place;
        if (at->is_encoded) {
            claw_decode(o->wire, at->in, received.count, false, (float)o->scale, (float *)(void *)place);
            uint8_t *spare = at->out;
            sent = at->out = at->in;
            at->in = spare;
        }
    }
    return OPENCLAW_OK;
}

int32_t claw_host_ring(claw_mesh *mesh, const claw_operation *operation, void *data, claw_failure *failure) {
    uint64_t each = claw_type_bytes(operation->type), hosts = (uint64_t)mesh->hosts;
    // A few values are not worth 2 (hosts - 1) steps, and none cannot be cut into pieces.
    if (operation->count * each <= SMALL) return claw_host_exchange(mesh, operation, data, failure);
    ring at = {.mesh = mesh, .operation = operation, .data = data, .failure = failure, .each = each};
    at.is_encoded = operation->wire != OPENCLAW_WIRE_FLOAT32;
    uint64_t even = ((operation->count + hosts - 1) / hosts + PIECE_MULTIPLE - 1) / PIECE_MULTIPLE * PIECE_MULTIPLE;
    at.piece = even < PIECE_VALUES ? even : PIECE_VALUES;
    uint64_t room = (at.piece * each + 63) / 64 * 64, rounds = (operation->count + at.piece * hosts - 1) / (at.piece * hosts);
    uint8_t *staging = claw_staging(mesh, 2 * room, failure);
    if (!staging) return failure->code;
    at.in = staging;
    at.out = staging + room;
    for (uint64_t round = 0; round < rounds; round++) {
        int32_t code = reduce_round(&at, round);
        if (code != OPENCLAW_OK) return code;
    }
    return OPENCLAW_OK;
}

// MARK: bytes as they are

/// From host to host: each passes on what it got while the next part comes.
static int32_t chain(claw_mesh *mesh, const claw_operation *o, uint8_t *data, uint64_t bytes, int32_t root, claw_failure *failure) {
    int32_t hosts = mesh->hosts, place = (mesh->host - root + hosts) % hosts;
    claw_link *before = place > 0 ? mesh->links[(mesh->host + hosts - 1) % hosts] : 0;
    claw_link *next = place < hosts - 1 ? mesh->links[(mesh->host + 1) % hosts] : 0;
    uint64_t parts = (bytes + CHAIN_BYTES - 1) / CHAIN_BYTES;
    for (uint64_t part = 0; part < parts; part++) {
        uint64_t from = part * CHAIN_BYTES, size = bytes - from < CHAIN_BYTES ? bytes - from : CHAIN_BYTES;
        int32_t code = OPENCLAW_OK;
        if (before) {
            claw_link_receive(before, mesh, o, FRAME_BYTES, (uint32_t)part, data + from, size);
            code = claw_pump_received(mesh, o, (mesh->host + hosts - 1) % hosts, claw_link_receives(before), failure);
        }
        if (code == OPENCLAW_OK && next) {
            claw_link_send(next, mesh, o, FRAME_BYTES, (uint32_t)part, data + from, size);
            // A few parts may wait for the next host, not all.
            uint64_t sends = claw_link_sends(next);
            code = claw_pump_sent(mesh, o, (mesh->host + 1) % hosts, sends > 8 ? sends - 8 : 0, failure);
        }
        if (code != OPENCLAW_OK) return code;
    }
    return claw_pump_all(mesh, o, failure);
}

int32_t claw_host_broadcast(
    claw_mesh *mesh, const claw_operation *operation, void *data, uint64_t bytes, int32_t root, claw_failure *failure) {
    if (mesh->hosts > 2 && bytes > CHAIN_BYTES) return chain(mesh, operation, data, bytes, root, failure);
    if (mesh->host != root) claw_link_receive(mesh->links[root], mesh, operation, FRAME_BYTES, 0, data, bytes);
    for (int32_t h = 0; h < mesh->hosts; h++)
        if (mesh->host == root && h != root) claw_link_send(mesh->links[h], mesh, operation, FRAME_BYTES, 0, data, bytes);
    return claw_pump_all(mesh, operation, failure);
}

int32_t claw_host_all_gather(
    claw_mesh *mesh, const claw_operation *operation, uint8_t *const *places, const uint64_t *lengths, claw_failure *failure) {
    for (int32_t step = 1; step < mesh->hosts; step++) {
        int32_t h = (mesh->host + step) % mesh->hosts;
        claw_link_receive(mesh->links[h], mesh, operation, FRAME_BYTES, 0, places[h], lengths[h]);
        claw_link_send(mesh->links[h], mesh, operation, FRAME_BYTES, 0, places[mesh->host], lengths[mesh->host]);
    }
    return claw_pump_all(mesh, operation, failure);
}
