// All-reduce between few hosts: each owns a piece of every segment. It gets that piece from all the others at once, forms it in
// the order of the hosts, and sends the result to all at once. The next segments are on their way meanwhile.
#include "Inner.h"
#include <string.h>

#define DEPTH 4                // segments on their way
#define PIECE_VALUES 65536u    // of one host in a segment
#define PIECE_MULTIPLE 256u    // int8 gives so many values one scale: no piece cuts a block
#define TINY 8192              // bytes up to which everybody gets everything: one step instead of two

typedef struct {
    claw_mesh *mesh;
    const claw_operation *operation;
    uint8_t *data;
    claw_failure *failure;
    bool is_encoded;
    uint64_t each;            // bytes of a value
    uint64_t piece, segments; // values of a piece; how often all pieces come
    uint64_t room;            // bytes of a piece as it travels
    uint8_t *staging;
    uint64_t reduce_in[DEPTH][OPENCLAW_MEMBERS_MAX], result_in[DEPTH][OPENCLAW_MEMBERS_MAX], sends[DEPTH][OPENCLAW_MEMBERS_MAX];
} exchange;

enum { ROOM_IN, ROOM_OUT, ROOM_RESULT, ROOMS };

static uint8_t *room_of(const exchange *at, uint64_t segment, int room, int32_t host) {
    uint64_t index = (segment % DEPTH * ROOMS + (uint64_t)room) * (uint64_t)at->mesh->hosts + (uint64_t)host;
    return at->staging + index * at->room;
}

typedef struct { uint64_t from, count; } values;

static values piece_of(const exchange *at, uint64_t segment, int32_t host) {
    uint64_t from = (segment * (uint64_t)at->mesh->hosts + (uint64_t)host) * at->piece, count = at->operation->count;
    if (from >= count) return (values){count, 0};
    return (values){from, count - from < at->piece ? count - from : at->piece};
}

static uint64_t travelling(const exchange *at, uint64_t count) {
    return at->is_encoded ? claw_wire_bytes(at->operation->wire, count) : count * at->each;
}

static float *residual_at(float *residual, uint64_t place) { return residual ? residual + place : 0; }

/// Sends the others their pieces, and expects one from each.
static int32_t begin_segment(exchange *at, uint64_t segment) {
    claw_mesh *mesh = at->mesh;
    const claw_operation *o = at->operation;
    values own = piece_of(at, segment, mesh->host);
    for (int32_t h = 0; h < mesh->hosts; h++) {
        if (h == mesh->host) continue;
        claw_link *link = mesh->links[h];
        if (own.count > 0)
            claw_link_receive(
                link, mesh, o, FRAME_REDUCE, (uint32_t)segment, room_of(at, segment, ROOM_IN, h), travelling(at, own.count));
        at->reduce_in[segment % DEPTH][h] = claw_link_receives(link);
    }
    for (int32_t step = 1; step < mesh->hosts; step++) {
        // Each begins with its neighbour, so that not all send to the same host first.
        int32_t h = (mesh->host + step) % mesh->hosts;
        values theirs = piece_of(at, segment, h);
        if (theirs.count == 0) continue;
        const uint8_t *bytes = at->data + theirs.from * at->each;
        if (at->is_encoded) {
            uint8_t *out = room_of(at, segment, ROOM_OUT, h);
            claw_encode(
                o->wire, (const float *)(const void *)bytes, residual_at(o->residual, theirs.from),
                residual_at(o->residual_next, theirs.from), theirs.count, out);
            bytes = out;
        }
        claw_link_send(mesh->links[h], mesh, o, FRAME_REDUCE, (uint32_t)segment, bytes, travelling(at, theirs.count));
        int32_t code = claw_pump_once(mesh, o, at->failure);
        if (code != OPENCLAW_OK) return code;
    }
    return OPENCLAW_OK;
}

/// Forms this host's piece of plain values, in its place.
static void form_plain(exchange *at, uint64_t segment, values own) {
    const void *from[OPENCLAW_MEMBERS_MAX];
    const claw_operation *o = at->operation;
    uint8_t *place = at->data + own.from * at->each;
    for (int32_t h = 0; h < at->mesh->hosts; h++) from[h] = h == at->mesh->host ? place : room_of(at, segment, ROOM_IN, h);
    claw_reduce(place, from, at->mesh->hosts, own.count, o->type, o->reduction, o->scale);
}

/// Forms it from encoded values, and encodes it: also this host then takes what the others will read.
static const uint8_t *form_encoded(exchange *at, uint64_t segment, values own) {
    const claw_operation *o = at->operation;
    int32_t mine = at->mesh->host;
    float *place = (float *)(void *)at->data + own.from;
    uint8_t *result = room_of(at, segment, ROOM_RESULT, mine);
    const uint64_t block = PIECE_MULTIPLE * 8;
    for (uint64_t done = 0; done < own.count; done += block) {
        uint64_t size = own.count - done < block ? own.count - done : block, skip = claw_wire_bytes(o->wire, done);
        float formed[PIECE_MULTIPLE * 8] = {0};
        for (int32_t h = 0; h < at->mesh->hosts; h++) {
            if (h != mine) claw_decode(o->wire, room_of(at, segment, ROOM_IN, h) + skip, size, true, 1, formed);
            if (h == mine)
                for (uint64_t i = 0; i < size; i++) formed[i] += place[done + i];
        }
        claw_encode(
            o->wire, formed, residual_at(o->residual, own.from + done), residual_at(o->residual_next, own.from + done), size,
            result + skip);
        claw_decode(o->wire, result + skip, size, false, (float)o->scale, place + done);
    }
    return result;
}

/// Waits for the pieces of a segment, forms the result, sends it, and expects the others'.
static int32_t reduce_segment(exchange *at, uint64_t segment) {
    claw_mesh *mesh = at->mesh;
    const claw_operation *o = at->operation;
    for (int32_t h = 0; h < mesh->hosts; h++) {
        if (h == mesh->host) continue;
        int32_t code = claw_pump_received(mesh, o, h, at->reduce_in[segment % DEPTH][h], at->failure);
        if (code != OPENCLAW_OK) return code;
    }
    values own = piece_of(at, segment, mesh->host);
    const uint8_t *result = at->data + own.from * at->each;
    if (own.count > 0 && at->is_encoded) result = form_encoded(at, segment, own);
    if (own.count > 0 && !at->is_encoded) form_plain(at, segment, own);
    for (int32_t step = 1; step < mesh->hosts; step++) {
        int32_t h = (mesh->host + step) % mesh->hosts;
        claw_link *link = mesh->links[h];
        values theirs = piece_of(at, segment, h);
        uint8_t *into = at->is_encoded ? room_of(at, segment, ROOM_RESULT, h) : at->data + theirs.from * at->each;
        if (own.count > 0)
            claw_link_send(link, mesh, o, FRAME_RESULT, (uint32_t)segment, result, travelling(at, own.count));
        if (theirs.count > 0)
            claw_link_receive(link, mesh, o, FRAME_RESULT, (uint32_t)segment, into, travelling(at, theirs.count));
        at->result_in[segment % DEPTH][h] = claw_link_receives(link);
        at->sends[segment % DEPTH][h] = claw_link_sends(link);
    }
    return claw_pump_once(mesh, o, at->failure);
}

/// Waits until a segment is whole here, and sent, so that its rooms are free again.
static int32_t end_segment(exchange *at, uint64_t segment) {
    claw_mesh *mesh = at->mesh;
    const claw_operation *o = at->operation;
    for (int32_t h = 0; h < mesh->hosts; h++) {
        if (h == mesh->host) continue;
        int32_t code = claw_pump_received(mesh, o, h, at->result_in[segment % DEPTH][h], at->failure);
        if (code == OPENCLAW_OK) code = claw_pump_sent(mesh, o, h, at->sends[segment % DEPTH][h], at->failure);
        if (code != OPENCLAW_OK) return code;
        values theirs = piece_of(at, segment, h);
        if (at->is_encoded && theirs.count > 0)
            claw_decode(
                o->wire, room_of(at, segment, ROOM_RESULT, h), theirs.count, false, (float)o->scale,
                (float *)(void *)at->data + theirs.from);
    }
    return OPENCLAW_OK;
}

/// Everybody sends everything to everybody, and forms the whole.
static int32_t exchange_whole(claw_mesh *mesh, const claw_operation *o, uint8_t *data, claw_failure *failure) {
    uint64_t bytes = o->count * claw_type_bytes(o->type);
    uint8_t *staging = claw_staging(mesh, (size_t)mesh->hosts * TINY, failure);
    if (!staging) return failure->code;
    const void *from[OPENCLAW_MEMBERS_MAX];
    for (int32_t h = 0; h < mesh->hosts; h++) {
        from[h] = staging + (size_t)h * TINY;
        if (h == mesh->host) memcpy(staging + (size_t)h * TINY, data, bytes);
        if (h != mesh->host) claw_link_receive(mesh->links[h], mesh, o, FRAME_WHOLE, 0, staging + (size_t)h * TINY, bytes);
    }
    for (int32_t h = 0; h < mesh->hosts; h++)
        if (h != mesh->host) claw_link_send(mesh->links[h], mesh, o, FRAME_WHOLE, 0, from[mesh->host], bytes);
    int32_t code = claw_pump_all(mesh, o, failure);
    if (code == OPENCLAW_OK) claw_reduce(data, from, mesh->hosts, o->count, o->type, o->reduction, o->scale);
    // Nothing was rounded: what was kept stays.
    if (code == OPENCLAW_OK && o->residual_next && o->residual && o->count > 0) memcpy(o->residual_next, o->residual, o->count * sizeof(float));
    return code;
}

int32_t claw_host_exchange(claw_mesh *mesh, const claw_operation *operation, void *data, claw_failure *failure) {
    uint64_t each = claw_type_bytes(operation->type), hosts = (uint64_t)mesh->hosts;
    if (operation->count * each <= TINY) return exchange_whole(mesh, operation, data, failure);
    exchange at = {.mesh = mesh, .operation = operation, .data = data, .failure = failure, .each = each};
    at.is_encoded = operation->wire != OPENCLAW_WIRE_FLOAT32;
    uint64_t even = ((operation->count + hosts - 1) / hosts + PIECE_MULTIPLE - 1) / PIECE_MULTIPLE * PIECE_MULTIPLE;
    at.piece = even < PIECE_VALUES ? even : PIECE_VALUES;
    at.segments = (operation->count + at.piece * hosts - 1) / (at.piece * hosts);
    at.room = (at.piece * each + 63) / 64 * 64;
    at.staging = claw_staging(mesh, DEPTH * ROOMS * hosts * at.room, failure);
    if (!at.staging) return failure->code;
    for (uint64_t i = 0; i < at.segments + 2; i++) {
        int32_t code = OPENCLAW_OK;
        if (i < at.segments) code = begin_segment(&at, i);
        if (code == OPENCLAW_OK && i >= 1 && i - 1 < at.segments) code = reduce_segment(&at, i - 1);
        if (code == OPENCLAW_OK && i >= 2) code = end_segment(&at, i - 2);
        if (code != OPENCLAW_OK) return code;
    }
    return OPENCLAW_OK;
}
