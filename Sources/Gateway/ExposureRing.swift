import Outcomes
import Synchronization

/// Exposures on their way out of one loop: the loop writes, the pump reads, neither waits for the other. Full, it drops and
/// counts, because a slow recorder may not slow live traffic.
@safe final class ExposureRing: @unchecked Sendable {
    // `slots` between `head` and `tail` belong to the reader, the others to the writer; the two counters hand them over.
    private let slots: UnsafeMutablePointer<Exposure>
    private let head = Atomic<Int>(0)
    private let tail = Atomic<Int>(0)
    private let drops = Atomic<Int>(0)
    static let capacity = 8_192

    init() { unsafe slots = .allocate(capacity: Self.capacity) }
    deinit { unsafe slots.deallocate() }

    var dropped: UInt64 { UInt64(drops.load(ordering: .relaxed)) }
    var isEmpty: Bool { head.load(ordering: .acquiring) == tail.load(ordering: .acquiring) }

    /// Called by the loop.
    @inline(__always)
    func push(_ exposure: Exposure) {
        let end = tail.load(ordering: .relaxed)
        guard end - head.load(ordering: .acquiring) < Self.capacity else {
            drops.wrappingAdd(1, ordering: .relaxed)
            return
        }
        unsafe (slots + end % Self.capacity).initialize(to: exposure)
        tail.store(end + 1, ordering: .releasing)
    }

    /// Called by the pump: at most `limit` of the oldest, appended to `batch`.
    func pop(into batch: inout [Exposure], limit: Int) {
        let start = head.load(ordering: .relaxed)
        let count = min(tail.load(ordering: .acquiring) - start, limit)
        guard count > 0 else { return }
        for index in start..<start + count { batch.append(unsafe slots[index % Self.capacity]) }
        head.store(start + count, ordering: .releasing)
    }
}

/// Carries exposures from the loops' rings to the sink, many at a time while there are any; asleep when there are none.
final class ExposurePump: Sendable {
    private let rings: [ExposureRing]
    private let sink: GatewayServer.ExposureSink
    private let usages: [UsageQueue]
    private let usageSink: GatewayServer.UsageSink
    private let choices: [ChoiceQueue]
    private let contextSink: GatewayServer.ContextSink
    private let isAsleep = Atomic<Bool>(true)
    private let wakeUps: AsyncStream<Void>
    private let signals: AsyncStream<Void>.Continuation
    private static let batchMax = 4_096
    /// A round costs some wake-ups of threads, whatever it carries; a full ring of a loop lasts for several of them.
    private static let pause = Duration.milliseconds(40)

    init(
        rings: [ExposureRing], sink: @escaping GatewayServer.ExposureSink, usages: [UsageQueue],
        usageSink: @escaping GatewayServer.UsageSink, choices: [ChoiceQueue], contextSink: @escaping GatewayServer.ContextSink
    ) {
        (self.rings, self.sink, self.usages, self.usageSink) = (rings, sink, usages, usageSink)
        (self.choices, self.contextSink) = (choices, contextSink)
        (wakeUps, signals) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Called by a loop after a batch in which it pushed something.
    @inline(__always)
    func wake() {
        if isAsleep.load(ordering: .relaxed), isAsleep.exchange(false, ordering: .acquiringAndReleasing) { signals.yield() }
    }

    /// Has `run` deliver what the rings still hold, and return.
    func finish() { signals.finish() }

    /// Delivers until `finish`.
    func run() async {
        var chances = ChanceCounter()
        for await _ in wakeUps {
            repeat {
                try? await Task.sleep(for: Self.pause)
                await deliverAll(&chances)
                isAsleep.store(true, ordering: .sequentiallyConsistent)
                // What was pushed just before the pump said that it sleeps.
            } while rings.contains { !$0.isEmpty } && isAsleep.exchange(false, ordering: .acquiringAndReleasing)
        }
        await deliverAll(&chances)
    }

    private func deliverAll(_ chances: inout ChanceCounter) async {
        while rings.contains(where: { !$0.isEmpty }) {
            for (ring, choices) in zip(rings, choices) {
                var batch: [Exposure] = []
                ring.pop(into: &batch, limit: Self.batchMax)
                // Read after the exposures, and so with all of theirs; handed over before them.
                let contexts = chances.count(choices.pop())
                if !contexts.isEmpty { await contextSink(contexts) }
                chances.complete(&batch)
                if !batch.isEmpty { await sink(batch) }
            }
            // After the exposures that they belong to.
            for queue in usages {
                let batch = queue.pop()
                if !batch.isEmpty { await usageSink(batch) }
            }
        }
    }
}
