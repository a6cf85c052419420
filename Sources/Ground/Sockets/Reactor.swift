internal import CLinux
public import Faults
import Glibc

/// One epoll loop on one thread. Everything registered with it is touched on that thread only; others reach it through its
/// `Mailbox`. Edge-triggered, so that a connection costs one epoll_ctl in its life, whatever its back-pressure does.
public final class Reactor {
    /// Where other threads leave work for this loop.
    public let mailbox: Mailbox
    /// Monotonic nanoseconds when the present batch of events woke the loop.
    public private(set) var now: Int64

    private let epoll: Int32
    private var wheel: TimerWheel
    /// Indexed by descriptor: the loop is what keeps a source alive.
    private var sources: [EventSource?] = []
    /// Closed during this batch: later events of the batch may still point at them.
    private var graveyard: [EventSource] = []
    /// Sources that stopped before their input ended, so that the others get their turn.
    private var unfinished: [EventSource] = []
    private var isStopping = false
    /// Runs after each batch of events.
    private var afterBatch: (() -> Void)?
    /// Deadlines that belong to no descriptor; a handful.
    private var alarms: [Alarm] = []

    private static let eventsPerBatchMax = 256

    /// A loop that is not running yet. Call `run` on the thread that is to be its own, or `start`.
    public init() throws(Fault) {
        let descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw systemFault("An event loop cannot be made", "epoll_create1") }
        epoll = descriptor
        now = Self.monotonicNanoseconds()
        wheel = TimerWheel(now: now / 1_000_000)
        mailbox = try Mailbox()
        add(MailboxSource(reactor: self, mailbox: mailbox), listening: .input)
    }

    deinit { _ = Glibc.close(epoll) }

    /// Monotonic nanoseconds, read now (`now` is the batch's).
    public static func monotonicNanoseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }

    /// Has `body` called after each batch of events, on the loop.
    public func afterEachBatch(_ body: @escaping () -> Void) { afterBatch = body }

    /// Serves events until `stop`. Returns after the last source was closed.
    public func run() {
        unsafe withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: Self.eventsPerBatchMax) { events in
            while !isStopping {
                let count = unsafe epoll_wait(epoll, events.baseAddress, Int32(events.count), waitMilliseconds())
                now = Self.monotonicNanoseconds()
                if count > 0 { unsafe deliver(UnsafeMutableBufferPointer(rebasing: events[..<Int(count)])) }
                finishBatch()
            }
        }
        for source in sources { source?.close() }
        graveyard.removeAll()
        mailbox.close()
    }

    /// Ends `run` after the present batch; every source is closed.
    public func stop() { isStopping = true }

    private func deliver(_ events: UnsafeMutableBufferPointer<epoll_event>) {
        for index in events.indices {
            let flags = unsafe events[index].events
            guard let pointer = unsafe events[index].data.ptr else { continue }
            // The loop (sources or graveyard) holds the source throughout the batch.
            unsafe Unmanaged<EventSource>.fromOpaque(pointer)._withUnsafeGuaranteedRef { source in
                if source.isOpen { source.ready(Readiness(rawValue: flags)) }
            }
        }
    }

    private func finishBatch() {
        if !unfinished.isEmpty {
            let resumed = unfinished
            unfinished.removeAll(keepingCapacity: true)
            for source in resumed where source.isOpen { source.ready(.resumed) }
        }
        wheel.advance(to: now / 1_000_000) { descriptor in
            if let source = sources[descriptor], source.isOpen { expired.append(source) }
        }
        while let source = expired.popLast() {
            if source.isOpen { source.deadlinePassed() }
        }
        ringAlarms()
        if let afterBatch { afterBatch() }
        if !graveyard.isEmpty { graveyard.removeAll(keepingCapacity: true) }
    }
    /// Collected first: a deadline's handler may set deadlines, which the wheel cannot take while it is being walked.
    private var expired: [EventSource] = []

    private func waitMilliseconds() -> Int32 {
        if !unfinished.isEmpty { return 0 }
        var wait = wheel.wait(from: now / 1_000_000)
        for alarm in alarms { wait = min(wait ?? .max, max(0, alarm.due - now / 1_000_000)) }
        return wait.map { Int32(min($0, 60_000)) } ?? -1
    }

    private func ringAlarms() {
        while let index = alarms.firstIndex(where: { $0.due <= now / 1_000_000 }) { alarms.remove(at: index).ring() }
    }

    /// A deadline that belongs to no connection.
    public final class Alarm {
        fileprivate let due: Int64
        fileprivate let ring: () -> Void
        fileprivate init(due: Int64, ring: @escaping () -> Void) { (self.due, self.ring) = (due, ring) }
    }

    /// Has `ring` called on the loop once, after this time.
    @discardableResult
    public func setAlarm(milliseconds: Int64, ring: @escaping () -> Void) -> Alarm {
        let alarm = Alarm(due: now / 1_000_000 + milliseconds, ring: ring)
        alarms.append(alarm)
        return alarm
    }

    public func cancel(_ alarm: Alarm) { alarms.removeAll { $0 === alarm } }
}

extension Reactor {
    /// Registers a source; the loop keeps it until it closes.
    public func add(_ source: EventSource, listening interest: Interest) {
        let descriptor = Int(source.descriptor)
        while sources.count <= descriptor { sources.append(nil) }
        precondition(sources[descriptor] == nil, "a descriptor has one source")
        sources[descriptor] = source
        var event = unsafe epoll_event()
        unsafe event.events = interest.flags
        unsafe event.data.ptr = Unmanaged.passUnretained(source).toOpaque()
        let result = unsafe epoll_ctl(epoll, EPOLL_CTL_ADD, source.descriptor, &event)
        precondition(result == 0, "epoll_ctl refused descriptor \(descriptor): errno \(errno)")
    }

    /// Forgets a source whose descriptor is about to be closed (closing it takes it out of epoll).
    func remove(_ source: EventSource) {
        let descriptor = Int(source.descriptor)
        wheel.clear(descriptor)
        graveyard.append(source)
        sources[descriptor] = nil
    }

    func setDeadline(of source: EventSource, milliseconds: Int64) {
        wheel.set(Int(source.descriptor), due: now / 1_000_000 + milliseconds)
    }

    func clearDeadline(of source: EventSource) { wheel.clear(Int(source.descriptor)) }

    /// Has the source's `ready(.resumed)` called after this batch: it has more input than its turn allowed.
    public func resumeLater(_ source: EventSource) { unfinished.append(source) }

    /// Runs a loop on a thread of its own, which is named for it. `setUp` runs there first.
    public static func start(_ name: String, setUp: @escaping @Sendable (Reactor) -> Void) throws(Fault) -> Mailbox {
        // Handed to the new thread and used nowhere else from here on.
        nonisolated(unsafe) let reactor = try Reactor()
        let mailbox = unsafe reactor.mailbox
        try Threads.start(name) {
            let own = unsafe reactor
            setUp(own)
            own.run()
        }
        return mailbox
    }
}

/// What a source listens for. Connections and eventfds are edge-triggered, listeners are not: they accept a few at a time.
public enum Interest: Sendable {
    case input, accepting, connection

    var flags: UInt32 {
        switch self {
        case .input: EPOLLIN.rawValue | edgeTriggered
        case .accepting: EPOLLIN.rawValue
        case .connection: EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | edgeTriggered
        }
    }
    private var edgeTriggered: UInt32 { 1 << 31 }
}

/// What epoll said of a descriptor.
public struct Readiness: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let input = Readiness(rawValue: 0x001)
    public static let output = Readiness(rawValue: 0x004)
    public static let error = Readiness(rawValue: 0x008)
    public static let hangUp = Readiness(rawValue: 0x010)
    /// The other side will send nothing more.
    public static let inputEnd = Readiness(rawValue: 0x2000)
    /// Not from the kernel: the source goes on with input it left.
    public static let resumed = Readiness(rawValue: 1 << 24)
}

/// A descriptor that a loop watches. Touched on its loop's thread only.
open class EventSource {
    public let reactor: Reactor
    public private(set) var descriptor: Int32

    public init(reactor: Reactor, descriptor: Int32) { (self.reactor, self.descriptor) = (reactor, descriptor) }
    deinit { if descriptor >= 0 { _ = Glibc.close(descriptor) } }

    public var isOpen: Bool { descriptor >= 0 }

    open func ready(_ readiness: Readiness) {}
    open func deadlinePassed() {}

    /// Closes the descriptor; nothing is called afterwards. The object lives at least until the batch ends.
    open func close() {
        guard descriptor >= 0 else { return }
        reactor.remove(self)
        _ = Glibc.close(descriptor)
        descriptor = -1
    }

    /// `deadlinePassed` is called once after this time, unless it is set again or cleared before.
    public func setDeadline(milliseconds: Int64) { reactor.setDeadline(of: self, milliseconds: milliseconds) }
    public func clearDeadline() { reactor.clearDeadline(of: self) }
}
