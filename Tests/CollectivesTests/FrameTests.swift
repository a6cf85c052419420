import CCollectives
import Glibc
import Testing

@testable import Collectives

/// One host's end of a mesh, and the bare socket where the other host's end would be.
@safe private final class BareEnd {
    let mesh: OpaquePointer
    let socket: Int32
    private let interrupt: OpaquePointer
    private let meter: OpaquePointer

    init() throws {
        var failure = claw_failure()
        var (port, isLoopback): (UInt16, Bool) = (0, false)
        let listener = unsafe claw_listen("127.0.0.1", &port, &isLoopback, &failure)
        socket = unsafe claw_connect("127.0.0.1", port, &failure)
        var readiness = Readiness()
        readiness.add(listener)
        readiness.wait(milliseconds: 10_000)
        let accepted = claw_accept(listener)
        claw_close(listener)
        unsafe interrupt = try #require(claw_interrupt_create())
        unsafe meter = try #require(claw_meter_create())
        unsafe mesh = try #require(claw_mesh_create(4, 0, interrupt, meter))
        #expect(unsafe claw_mesh_set_hosts(mesh, 2, 0))
        unsafe claw_mesh_set_link(mesh, 1, accepted, 1)
    }

    deinit {
        claw_close(socket)
        unsafe claw_mesh_destroy(mesh)
        unsafe claw_interrupt_destroy(interrupt)
        unsafe claw_meter_destroy(meter)
    }

    /// What the operation answers, to whom these bytes come.
    func answer(to bytes: [UInt8]) -> CollectiveFailure? {
        #expect(Wire(descriptor: socket).write(bytes))
        shutdown(socket, Int32(SHUT_WR))
        var operation = unsafe claw_operation()
        unsafe (operation.step, operation.count, operation.scale, operation.timeout_ns) = (9, 4, 1, 10_000_000_000)
        let buffer = Buffer([1, 2, 3, 4] as [Float])
        do {
            try unsafe CollectiveFailure.check { unsafe claw_host_exchange(mesh, &operation, buffer.pointer, $0) }
            #expect(buffer.values(Float.self, count: 4) == [2, 4, 6, 8])
            return nil
        } catch { return error }
    }
}

@Suite struct FrameTests {
    /// A frame as docs/protocols/collectives.md lays it out.
    private func frame(epoch: UInt64 = 4, step: UInt64 = 9, count: UInt64 = 4, version: UInt8 = 1) -> [UInt8] {
        let payload = [1, 2, 3, 4].flatMap { number -> [UInt8] in
            var writer = ByteWriter()
            writer.put(Float(number).bitPattern)
            return writer.bytes
        }
        var header = ByteWriter()
        header.put(UInt32(0x574C_434F))
        header.bytes += [version, 3, 0, 0]
        for number in [epoch, step, count] { header.put(number) }
        header.put(UInt64(0))  // bucket, part
        header.put(UInt64(0))  // offset
        header.put(UInt32(payload.count))
        header.put(UInt32(1))  // sender
        header.put(unsafe claw_checksum(0, payload, payload.count))
        header.put(unsafe claw_checksum(0, header.bytes, 60))
        return header.bytes + payload
    }

    @Test func `a frame that is right is taken`() throws {
        #expect(try BareEnd().answer(to: frame()) == nil)
    }

    @Test func `a flipped bit anywhere is noticed`() throws {
        let right = frame()
        for place in right.indices {
            var wrong = right
            wrong[place] ^= 1 << UInt8(place % 8)
            let failure = try BareEnd().answer(to: wrong)
            #expect(failure?.reason == .corrupted && failure?.slot == 1, "byte \(place): \(String(describing: failure))")
        }
    }

    @Test func `a frame of another epoch, step, size or version is refused`() throws {
        let stale = try BareEnd().answer(to: frame(epoch: 3))
        #expect(stale?.reason == .mismatch && stale?.text.contains("epoch 3 in epoch 4") == true, "\(String(describing: stale))")
        for wrong in [frame(step: 8), frame(count: 5), frame(version: 2)] {
            #expect(try BareEnd().answer(to: wrong)?.reason == .mismatch)
        }
    }

    @Test func `a connection that ends early is a death`() throws {
        for length in [0, 10, 64, 70] {
            let failure = try BareEnd().answer(to: Array(frame().prefix(length)))
            #expect(failure?.reason == .peerDead && failure?.slot == 1, "\(length) bytes: \(String(describing: failure))")
        }
    }

    @Test func `a control message is read as it was written, and one that was changed is not read`() {
        let message = ControlMessage(
            .ended, epoch: 3, code: 4, slot: 2, first: 5, second: 6, text: String(repeating: "ä", count: 100))
        let read = ControlMessage(message.bytes)
        #expect(read?.epoch == 3 && read?.slot == 2 && read?.text == String(repeating: "ä", count: 72))
        for place in 0..<188 {
            var bytes = message.bytes
            bytes[place] ^= 4
            #expect(ControlMessage(bytes) == nil)
        }
    }

    @Test func `a greeting is read as it was written, and a proof depends on all of it`() {
        let greeting = Greeting(
            epoch: 5, from: 2, to: 0, purpose: .data, membership: Array(repeating: 7, count: 16), nonce: Array(0..<16))
        #expect(Greeting(greeting.bytes) == greeting && greeting.bytes.count == Greeting.count)
        let proof = Proof.ofComer(greeting, nonce: Array(16..<32), secret: [1, 2, 3])
        for place in greeting.bytes.indices {
            var bytes = greeting.bytes
            bytes[place] ^= 1
            guard let other = Greeting(bytes) else { continue }
            #expect(!Proof.matches(proof, Proof.ofComer(other, nonce: Array(16..<32), secret: [1, 2, 3])))
        }
        #expect(proof != Proof.ofListener(greeting, nonce: Array(16..<32), secret: [1, 2, 3]))
        #expect(proof != Proof.ofComer(greeting, nonce: Array(16..<32), secret: [1, 2, 4]))
    }
}
