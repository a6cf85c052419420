// Connections between hosts. A link promises: these bytes next, in either direction, cut into frames that both sides know the
// length of, so that a frame is received straight into its place. Nothing blocks but the pump's poll.
#define _GNU_SOURCE
#include "Inner.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define FRAME_MAGIC 0x574C434Fu  // "OCLW"
#define FRAME_VERSION 1
#define PROMISES 32

typedef struct {
    uint8_t *bytes;
    uint64_t length, done;
    claw_frame frame;  // as it is for every frame of the promise: no offset, length or checksum
} promise;

typedef struct {
    promise promises[PROMISES];
    uint64_t made, kept;
    claw_frame frame;  // the one on its way
    uint64_t moved;    // of it, header included
    bool is_begun;
} direction;

struct claw_link {
    int descriptor;
    int32_t slot;
    direction out, in;
};

bool claw_mesh_set_hosts(claw_mesh *mesh, int32_t count, int32_t mine) {
    mesh->hosts = count;
    mesh->host = mine;
    mesh->links = calloc((size_t)count, sizeof *mesh->links);
    for (int32_t i = 0; mesh->links && i < count; i++) {
        if (i == mine) continue;
        mesh->links[i] = calloc(1, sizeof **mesh->links);
        if (!mesh->links[i]) return false;
        mesh->links[i]->descriptor = -1;
    }
    return mesh->links != 0;
}

void claw_mesh_set_link(claw_mesh *mesh, int32_t host, int descriptor, int32_t slot) {
    mesh->links[host]->descriptor = descriptor;
    mesh->links[host]->slot = slot;
}

void claw_link_free(claw_link *link) {
    if (link && link->descriptor >= 0) claw_close(link->descriptor);
    free(link);
}

// MARK: promises

static void make(
    direction *way, const claw_mesh *mesh, const claw_operation *operation, int32_t sender, int kind, uint32_t part,
    const void *bytes, uint64_t length) {
    if (way->made - way->kept == PROMISES) __builtin_trap();  // an operation keeps few on their way
    way->promises[way->made++ % PROMISES] = (promise){
        (uint8_t *)bytes, length, 0,
        {.magic = FRAME_MAGIC, .version = FRAME_VERSION, .kind = (uint8_t)kind, .type = (uint8_t)operation->type,
         .wire = (uint8_t)operation->wire, .epoch = mesh->epoch, .step = operation->step, .count = operation->count,
         .bucket = operation->bucket, .part = part, .sender = sender}};
}

void claw_link_send(claw_link *link, const claw_mesh *mesh, const claw_operation *operation, int kind, uint32_t part,
    const void *bytes, uint64_t length) {
    make(&link->out, mesh, operation, mesh->slot, kind, part, bytes, length);
}

void claw_link_receive(claw_link *link, const claw_mesh *mesh, const claw_operation *operation, int kind, uint32_t part,
    void *bytes, uint64_t length) {
    make(&link->in, mesh, operation, link->slot, kind, part, bytes, length);
}

uint64_t claw_link_sends(const claw_link *link) { return link->out.made; }
uint64_t claw_link_receives(const claw_link *link) { return link->in.made; }

static bool is_idle(const direction *way) { return way->made == way->kept; }

/// The frame that moves now; begins it where the one before is done.
static promise *current(direction *way, bool sends) {
    promise *next = &way->promises[way->kept % PROMISES];
    if (way->is_begun) return next;
    uint64_t left = next->length - next->done;
    claw_frame frame = next->frame;
    frame.offset = next->done;
    frame.length = (uint32_t)(left < FRAME_PAYLOAD_MAX ? left : FRAME_PAYLOAD_MAX);
    if (sends) {
        frame.payload_checksum = claw_checksum(0, next->bytes + next->done, frame.length);
        frame.header_checksum = claw_checksum(0, &frame, offsetof(claw_frame, header_checksum));
        way->frame = frame;
    }
    way->moved = 0;
    way->is_begun = true;
    return next;
}

/// What is still to move of the frame: its header's rest, and the payload's.
static struct msghdr message_of(direction *way, promise *next, struct iovec parts[2]) {
    uint64_t left = next->length - next->done, length = left < FRAME_PAYLOAD_MAX ? left : FRAME_PAYLOAD_MAX;
    uint64_t head = way->moved < sizeof(claw_frame) ? way->moved : sizeof(claw_frame);
    uint64_t body = way->moved - head;
    parts[0] = (struct iovec){(uint8_t *)&way->frame + head, sizeof(claw_frame) - head};
    parts[1] = (struct iovec){next->bytes + next->done + body, length - body};
    return (struct msghdr){.msg_iov = parts, .msg_iovlen = 2};
}

/// Ends the frame when all of it moved.
static bool settle(direction *way, promise *next) {
    uint64_t left = next->length - next->done, length = left < FRAME_PAYLOAD_MAX ? left : FRAME_PAYLOAD_MAX;
    if (way->moved < sizeof(claw_frame) + length) return false;
    next->done += length;
    way->is_begun = false;
    if (next->done == next->length) way->kept++;
    return true;
}

// MARK: faults

/// A broken connection. Who closed it in order says why on its other connection: that reason is waited for, shortly.
static int32_t broken(claw_mesh *mesh, const claw_link *link, claw_failure *failure) {
    struct pollfd event = {mesh->interrupt->event, POLLIN, 0};
    poll(&event, 1, 100);
    if (claw_interrupt_code(mesh->interrupt) != 0) return claw_fail_interrupted(mesh->interrupt, failure);
    return claw_fail(failure, OPENCLAW_PEER_DEAD, link->slot, "the connection to slot %d ended", link->slot);
}

static int32_t check_header(const claw_mesh *mesh, const claw_link *link, const promise *next, claw_failure *failure) {
    const claw_frame *frame = &link->in.frame, *wanted = &next->frame;
    uint64_t left = next->length - next->done;
    int32_t slot = link->slot;
    if (frame->magic != FRAME_MAGIC || claw_checksum(0, frame, offsetof(claw_frame, header_checksum)) != frame->header_checksum)
        return claw_fail(failure, OPENCLAW_CORRUPTED, slot, "a frame's header from slot %d is corrupted", slot);
    if (frame->version != FRAME_VERSION)
        return claw_fail(failure, OPENCLAW_MISMATCH, slot, "slot %d speaks version %d, not %d", slot, frame->version, FRAME_VERSION);
    if (frame->epoch != mesh->epoch)
        return claw_fail(
            failure, OPENCLAW_MISMATCH, slot, "slot %d sent a frame of epoch %llu in epoch %llu: refused", slot,
            (unsigned long long)frame->epoch, (unsigned long long)mesh->epoch);
    if (frame->sender != wanted->sender || frame->step != wanted->step || frame->kind != wanted->kind ||
        frame->type != wanted->type || frame->wire != wanted->wire || frame->count != wanted->count ||
        frame->bucket != wanted->bucket || frame->part != wanted->part || frame->offset != next->done ||
        frame->length != (left < FRAME_PAYLOAD_MAX ? left : FRAME_PAYLOAD_MAX))
        return claw_fail(
            failure, OPENCLAW_MISMATCH, slot,
            "slot %d called another operation than slot %d: step %llu, bucket %u, type %d, wire %d, %llu values against step "
            "%llu, bucket %u, type %d, wire %d, %llu values", slot, mesh->slot, (unsigned long long)frame->step, frame->bucket,
            frame->type, frame->wire, (unsigned long long)frame->count, (unsigned long long)wanted->step, wanted->bucket,
            wanted->type, wanted->wire, (unsigned long long)wanted->count);
    return OPENCLAW_OK;
}

// MARK: moving

/// 1 when bytes moved, 0 when none could, negative: the failure's code.
static int32_t try_send(claw_mesh *mesh, claw_link *link, claw_failure *failure) {
    int32_t moved = 0;
    while (!is_idle(&link->out)) {
        promise *next = current(&link->out, true);
        struct iovec parts[2];
        struct msghdr message = message_of(&link->out, next, parts);
        ssize_t count = sendmsg(link->descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return moved;
        if (count < 0) return -broken(mesh, link, failure);
        atomic_fetch_add_explicit(&mesh->meter->sent, (uint64_t)count, memory_order_relaxed);
        link->out.moved += (uint64_t)count;
        moved = 1;
        settle(&link->out, next);
    }
    return moved;
}

static int32_t try_receive(claw_mesh *mesh, claw_link *link, claw_failure *failure) {
    int32_t moved = 0;
    while (!is_idle(&link->in)) {
        promise *next = current(&link->in, false);
        struct iovec parts[2];
        struct msghdr message = message_of(&link->in, next, parts);
        ssize_t count = recvmsg(link->descriptor, &message, MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return moved;
        if (count <= 0) return -broken(mesh, link, failure);
        atomic_fetch_add_explicit(&mesh->meter->received, (uint64_t)count, memory_order_relaxed);
        bool had_header = link->in.moved >= sizeof(claw_frame);
        link->in.moved += (uint64_t)count;
        moved = 1;
        if (!had_header && link->in.moved >= sizeof(claw_frame)) {
            int32_t code = check_header(mesh, link, next, failure);
            if (code != OPENCLAW_OK) return -code;
        }
        const uint8_t *payload = next->bytes + next->done;
        if (settle(&link->in, next) &&
            claw_checksum(0, payload, link->in.frame.length) != link->in.frame.payload_checksum) {
            return -claw_fail(failure, OPENCLAW_CORRUPTED, link->slot, "a frame from slot %d does not have its checksum", link->slot);
        }
    }
    return moved;
}

/// 1 when bytes moved on any link, 0 when none did, negative: the failure's code.
static int32_t move_all(claw_mesh *mesh, claw_failure *failure) {
    int32_t moved = 0;
    for (int32_t i = 0; i < mesh->hosts; i++) {
        claw_link *link = mesh->links[i];
        if (!link) continue;
        int32_t in = try_receive(mesh, link, failure);
        if (in < 0) return in;
        int32_t out = try_send(mesh, link, failure);
        if (out < 0) return out;
        moved |= in | out;
    }
    return moved;
}

/// Sleeps until a link can move, or the epoch is ended. Links that promise nothing are not looked at.
static int32_t sleep_on(claw_mesh *mesh, int32_t waited_for, int64_t nanoseconds) {
    struct pollfd polled[OPENCLAW_MEMBERS_MAX + 1];
    nfds_t count = 0;
    polled[count++] = (struct pollfd){mesh->interrupt->event, POLLIN, 0};
    for (int32_t i = 0; i < mesh->hosts; i++) {
        const claw_link *link = mesh->links[i];
        if (!link) continue;
        short events = (short)((is_idle(&link->in) ? 0 : POLLIN) | (is_idle(&link->out) ? 0 : POLLOUT));
        if (events) polled[count++] = (struct pollfd){link->descriptor, events, 0};
    }
    int64_t begun = claw_now();
    atomic_store_explicit(&mesh->meter->waiting_for, waited_for, memory_order_relaxed);
    int ready = poll(polled, count, nanoseconds < 0 ? -1 : (int)(nanoseconds / 1000000 + 1));
    atomic_store_explicit(&mesh->meter->waiting_for, -1, memory_order_relaxed);
    atomic_fetch_add_explicit(&mesh->meter->waiting_ns, (uint64_t)(claw_now() - begun), memory_order_relaxed);
    return ready;
}

int32_t claw_pump_once(claw_mesh *mesh, const claw_operation *operation, claw_failure *failure) {
    (void)operation;
    if (claw_interrupt_code(mesh->interrupt) != 0) return claw_fail_interrupted(mesh->interrupt, failure);
    int32_t moved = move_all(mesh, failure);
    return moved < 0 ? -moved : OPENCLAW_OK;
}

static int32_t pump(claw_mesh *mesh, const claw_operation *operation, const direction *way, uint64_t wanted, int32_t slot,
    claw_failure *failure) {
    int64_t last = -1;
    while (way->kept < wanted) {
        if (claw_interrupt_code(mesh->interrupt) != 0) return claw_fail_interrupted(mesh->interrupt, failure);
        int32_t moved = move_all(mesh, failure);
        if (moved < 0) return -moved;
        if (moved > 0) {
            last = -1;
            continue;
        }
        if (last < 0) last = claw_now();
        if (sleep_on(mesh, slot, operation->timeout_ns) == 0 && claw_now() - last >= operation->timeout_ns)
            return claw_fail(
                failure, OPENCLAW_TIMED_OUT, slot, "slot %d did nothing for %.1f s", slot, (double)(claw_now() - last) / 1e9);
    }
    return OPENCLAW_OK;
}

int32_t claw_pump_received(claw_mesh *mesh, const claw_operation *operation, int32_t host, uint64_t receives, claw_failure *failure) {
    return pump(mesh, operation, &mesh->links[host]->in, receives, mesh->links[host]->slot, failure);
}

int32_t claw_pump_sent(claw_mesh *mesh, const claw_operation *operation, int32_t host, uint64_t sends, claw_failure *failure) {
    return pump(mesh, operation, &mesh->links[host]->out, sends, mesh->links[host]->slot, failure);
}

int32_t claw_pump_all(claw_mesh *mesh, const claw_operation *operation, claw_failure *failure) {
    for (int32_t i = 0; i < mesh->hosts; i++) {
        if (i == mesh->host) continue;
        int32_t code = claw_pump_received(mesh, operation, i, mesh->links[i]->in.made, failure);
        if (code == OPENCLAW_OK) code = claw_pump_sent(mesh, operation, i, mesh->links[i]->out.made, failure);
        if (code != OPENCLAW_OK) return code;
    }
    return OPENCLAW_OK;
}
