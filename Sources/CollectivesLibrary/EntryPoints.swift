// The names are those of the C header, which the compiler holds these functions to.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CCollectives
import Collectives
import Glibc

// The functions of openclaw_collectives.h. Each does one thing of the module Collectives, and turns what is thrown into a number,
// and into a text for the calling thread.

private func answer(_ run: () throws(CollectiveFailure) -> Void) -> Int32 {
    do {
        try run()
        return 0
    } catch {
        unsafe claw_remember(error.slot ?? -1, error.epoch ?? 0, error.text)
        return error.reason.rawValue
    }
}

private func group(_ pointer: OpaquePointer?) throws(CollectiveFailure) -> CollectiveGroup {
    guard let pointer = unsafe pointer else { throw CollectiveFailure(.badArgument, "no group was given") }
    return unsafe Unmanaged<CollectiveGroup>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
}

private func work(_ pointer: OpaquePointer?) throws(CollectiveFailure) -> Work {
    guard let pointer = unsafe pointer else { throw CollectiveFailure(.badArgument, "no work was given") }
    return unsafe Unmanaged<Work>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
}

private func text(_ pointer: UnsafePointer<CChar>?, _ what: String) throws(CollectiveFailure) -> String {
    guard let pointer = unsafe pointer else { throw CollectiveFailure(.badArgument, "no \(what) was given") }
    guard let text = unsafe String(validatingCString: pointer) else {
        throw CollectiveFailure(.badArgument, "the \(what) is not UTF-8")
    }
    return text
}

private func size(_ number: UInt64) throws(CollectiveFailure) -> Int {
    guard let size = Int(exactly: number) else { throw CollectiveFailure(.badArgument, "\(number) is too large a size") }
    return size
}

private func meshAddress(_ text: String) throws(CollectiveFailure) -> MeshAddress {
    guard let address = MeshAddress(text) else { throw CollectiveFailure(.badArgument, "'\(text)' is not host:port") }
    return address
}

/// Runs an operation, or starts it where the caller wants to go on meanwhile.
private func perform(
    _ pointer: OpaquePointer?, _ into: UnsafeMutablePointer<OpaquePointer?>?,
    _ operation: () throws(CollectiveFailure) -> Operation
) -> Int32 {
    answer { () throws(CollectiveFailure) in
        let group = unsafe try group(pointer)
        guard let into = unsafe into else { return try group.run(operation()) }
        unsafe into.pointee = nil
        let work = try group.start(operation())
        unsafe into.pointee = OpaquePointer(Unmanaged.passRetained(work).toOpaque())
    }
}

// MARK: the group

@c @implementation
public func openclaw_group_create(
    _ slot: Int32, _ listen: UnsafePointer<CChar>?, _ into: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    answer { () throws(CollectiveFailure) in
        guard let into = unsafe into else { throw CollectiveFailure(.badArgument, "no place for the group was given") }
        unsafe into.pointee = nil
        let address = unsafe try meshAddress(text(listen, "address"))
        let secret = unsafe getenv("OPENCLAW_JOB_SECRET").map { unsafe String(cString: $0) }
        let group = try CollectiveGroup(slot: slot, listen: address, secret: secret)
        unsafe into.pointee = OpaquePointer(Unmanaged.passRetained(group).toOpaque())
    }
}

@c @implementation
public func openclaw_group_address(_ pointer: OpaquePointer?, _ into: UnsafeMutablePointer<CChar>?, _ capacity: Int) -> Int32 {
    answer { () throws(CollectiveFailure) in
        let address = unsafe try group(pointer).address.text
        guard let into = unsafe into, address.utf8.count < capacity else {
            throw CollectiveFailure(.badArgument, "the address needs \(address.utf8.count + 1) bytes")
        }
        unsafe address.withCString { unsafe _ = strcpy(into, $0) }
    }
}

@c @implementation
public func openclaw_group_configure(
    _ pointer: OpaquePointer?, _ epoch: UInt64, _ slots: UnsafePointer<Int32>?,
    _ addresses: UnsafePointer<UnsafePointer<CChar>?>?, _ hosts: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int32,
    _ seconds: Double
) -> Int32 {
    answer { () throws(CollectiveFailure) in
        let group = unsafe try group(pointer)
        guard let slots = unsafe slots, let addresses = unsafe addresses, let hosts = unsafe hosts, count > 0 else {
            throw CollectiveFailure(.badArgument, "a membership without members")
        }
        guard count <= Membership.membersMax else {
            throw CollectiveFailure(.limitReached, "\(count) members, and \(Membership.membersMax) may be in a group")
        }
        var members: [Member] = []
        for index in 0..<Int(count) {
            members.append(
                Member(
                    slot: unsafe slots[index], address: unsafe try meshAddress(text(addresses[index], "address")),
                    host: unsafe try text(hosts[index], "host")))
        }
        try group.configure(Membership(epoch: epoch, members: members), seconds: seconds > 0 ? seconds : nil)
    }
}

@c @implementation
public func openclaw_group_abort(_ pointer: OpaquePointer?, _ slot: Int32, _ why: UnsafePointer<CChar>?) -> Int32 {
    answer { () throws(CollectiveFailure) in
        let reason = unsafe why == nil ? "" : unsafe try text(why, "reason")
        unsafe try group(pointer).abort(slot: slot >= 0 ? slot : nil, why: reason)
    }
}

@c @implementation
public func openclaw_group_state(
    _ pointer: OpaquePointer?, _ epoch: UnsafeMutablePointer<UInt64>?, _ members: UnsafeMutablePointer<Int32>?,
    _ failed: UnsafeMutablePointer<Int32>?
) -> Int32 {
    answer { () throws(CollectiveFailure) in
        let state = unsafe try group(pointer).membershipState
        unsafe epoch?.pointee = state.epoch
        unsafe members?.pointee = Int32(state.members)
        unsafe failed?.pointee = state.failure?.reason.rawValue ?? 0
    }
}

@c @implementation
public func openclaw_group_set_timeout(_ pointer: OpaquePointer?, _ seconds: Double) -> Int32 {
    answer { () throws(CollectiveFailure) in unsafe try group(pointer).setTimeout(seconds: seconds) }
}

@c @implementation
public func openclaw_group_close(_ pointer: OpaquePointer?) {
    guard let pointer = unsafe pointer else { return }
    let group = unsafe Unmanaged<CollectiveGroup>.fromOpaque(UnsafeRawPointer(pointer))
    unsafe group.takeUnretainedValue().close()
    unsafe group.release()
}

// MARK: operations

@c @implementation
public func openclaw_all_reduce(
    _ pointer: OpaquePointer?, _ data: UnsafeMutableRawPointer?, _ count: UInt64, _ type: Int32, _ reduction: Int32,
    _ wire: Int32, _ bucket: UInt32, _ work: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    unsafe perform(pointer, work) { () throws(CollectiveFailure) in
        guard let type = ElementType(rawValue: type), let reduction = Reduction(rawValue: reduction),
            let wire = WireFormat(rawValue: wire)
        else { throw CollectiveFailure(.badArgument, "type \(type), reduction \(reduction) or wire \(wire) is not known") }
        let reducing = Operation.Reducing(
            count: try size(count), type: type, reduction: reduction, wire: wire, bucket: bucket)
        return unsafe try .allReduce(data, reducing)
    }
}

@c @implementation
public func openclaw_broadcast(
    _ pointer: OpaquePointer?, _ data: UnsafeMutableRawPointer?, _ bytes: UInt64, _ root: Int32,
    _ work: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    unsafe perform(pointer, work) { () throws(CollectiveFailure) in
        unsafe try .broadcast(data, bytes: size(bytes), root: root)
    }
}

@c @implementation
public func openclaw_all_gather(
    _ pointer: OpaquePointer?, _ own: UnsafeRawPointer?, _ all: UnsafeMutableRawPointer?, _ bytes: UInt64,
    _ work: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    unsafe perform(pointer, work) { () throws(CollectiveFailure) in
        unsafe try .allGather(own, into: all, bytes: size(bytes))
    }
}

@c @implementation
public func openclaw_barrier(_ pointer: OpaquePointer?, _ work: UnsafeMutablePointer<OpaquePointer?>?) -> Int32 {
    unsafe perform(pointer, work) { () throws(CollectiveFailure) in try .barrier() }
}

@c @implementation
public func openclaw_work_wait(_ pointer: OpaquePointer?, _ seconds: Double) -> Int32 {
    answer { () throws(CollectiveFailure) in unsafe try work(pointer).wait(seconds: seconds > 0 ? seconds : nil) }
}

@c @implementation
public func openclaw_work_test(_ pointer: OpaquePointer?, _ done: UnsafeMutablePointer<Int32>?) -> Int32 {
    answer { () throws(CollectiveFailure) in
        unsafe done?.pointee = 1
        if unsafe try !work(pointer).hasEnded() { unsafe done?.pointee = 0 }
    }
}

@c @implementation
public func openclaw_work_release(_ pointer: OpaquePointer?) {
    guard let pointer = unsafe pointer else { return }
    unsafe Unmanaged<Work>.fromOpaque(UnsafeRawPointer(pointer)).release()
}

// MARK: what happened

@c @implementation
public func openclaw_group_forget_residuals(_ pointer: OpaquePointer?, _ bucket: UInt32) -> Int32 {
    answer { () throws(CollectiveFailure) in
        unsafe try group(pointer).forgetResiduals(bucket: bucket == UInt32.max ? nil : bucket)
    }
}

@c @implementation
public func openclaw_group_settle_residuals(_ pointer: OpaquePointer?, _ keep: Int32) -> Int32 {
    answer { () throws(CollectiveFailure) in unsafe try group(pointer).settleResiduals(keeps: keep != 0) }
}

// A public function may not show a type of C: the pointer has none here, and the header says what it points to.
@c(openclaw_group_statistics)
public func groupStatistics(_ pointer: OpaquePointer?, _ into: UnsafeMutableRawPointer?) -> Int32 {
    answer { () throws(CollectiveFailure) in
        let told = unsafe try group(pointer).statistics
        guard let into = unsafe into else { throw CollectiveFailure(.badArgument, "no place for the figures was given") }
        let figures = openclaw_statistics(
            operations: told.operations, failures: told.failures, logical_bytes: told.logicalBytes,
            wire_bytes_sent: told.wireBytesSent, wire_bytes_received: told.wireBytesReceived, shared_bytes: told.sharedBytes,
            epochs: told.epochs, busy_s: Double(told.busyNanoseconds) / 1e9, waiting_s: Double(told.waitingNanoseconds) / 1e9,
            waiting_for: told.waitingFor ?? -1, reserved: 0)
        unsafe into.storeBytes(of: figures, as: openclaw_statistics.self)
    }
}
