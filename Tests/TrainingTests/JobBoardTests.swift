import Telemetry
import Testing
import Worker

@testable import Training

/// What ranks told on the way, and what is made of it.
@Suite struct JobBoardTests {
    private func progress(_ step: Int64, at: Int64, seconds: Double = 0.01) -> Report {
        var (report, progress) = (Report(), Progress())
        (progress.step, progress.samples, progress.stepSeconds, progress.computeSeconds) = (step, step * 8, seconds, seconds)
        (report.at, report.progress) = (at, progress)
        return report
    }

    private func board(ranks: Int, steps: Int64) -> JobBoard {
        var board = JobBoard()
        for step in 1...steps { for slot in 0..<ranks { board.hear(progress(step, at: 10_000 + step * 10), from: slot) } }
        return board
    }

    private func loss(of slot: Int, at: Int64) -> JobMachine.Loss {
        JobMachine.Loss(
            at: Timestamp(milliseconds: at), run: 1, slot: slot, life: 0, death: RankDeath(.killed, detail: ""), wasSurvived: true,
            hadMesh: true, step: 50)
    }

    @Test func `of a death it is known how long the slowest survivor stood still, and where the replacement joined`() throws {
        var board = board(ranks: 3, steps: 50)
        for (slot, seconds) in [(0, 0.02), (2, 0.05)] {
            var (report, resumed, lost) = (Report(), Resumed(), LostSlot())
            (lost.slot, resumed.epoch, resumed.step, resumed.seconds) = (1, 2, 51, seconds)
            resumed.slots = [lost]
            (report.at, report.resumed) = (10_560, resumed)
            board.hear(report, from: slot)
        }
        var (report, joined) = (Report(), Joined())
        (joined.epoch, joined.step) = (3, 200)
        (report.at, report.joined) = (12_000, joined)
        board.hear(report, from: 1)
        board.hear(report, from: 1)
        let resumption = try #require(board.course.resumption(after: loss(of: 1, at: 10_505)))
        #expect(resumption.seconds == 0.05 && resumption.step == 51)
        #expect(board.course.resumption(after: loss(of: 2, at: 10_505)) == nil)
        #expect(board.course.arrival(after: loss(of: 1, at: 10_505))?.step == 200)
        #expect(board.course.arrivals.count == 1, "told again by a Worker that connected again")
        // The steps that it was not there for are not counted as its own, and its absence is no stall.
        board.hear(progress(201, at: 12_010), from: 1)
        #expect(board.ranks[1]?.steps == 51)
        #expect(board.course.stalls.isEmpty)
    }

    @Test func `a stall is a pause of many steps, told once for all ranks`() {
        var board = board(ranks: 2, steps: 50)
        for slot in 0..<2 { board.hear(progress(51, at: 14_500 + Int64(slot) * 20), from: slot) }
        #expect(board.course.stalls.count == 1)
        #expect(board.course.stalls.first?.step == 50)
        #expect(board.course.stalls.first.map { abs($0.seconds - 4.02) < 0.001 } == true)
        board.hear(progress(52, at: 14_900), from: 0)
        #expect(board.course.stalls.count == 1, "0.4 s are no stall, however short the steps are")
    }

    @Test func `of checkpoints that a full disk kept from being written all are counted, and the newest is told`() {
        var board = board(ranks: 1, steps: 5)
        for step in 1...100 {
            for isCheckpoint in [true, false] {
                var (report, remark) = (Report(), Remark())
                remark.what = "The checkpoint of step \(step) was not written."
                (remark.why, remark.isCheckpoint) = ("No space left on device\(isCheckpoint ? "" : ".")", isCheckpoint)
                report.remark = remark
                board.hear(report, from: 0)
            }
        }
        #expect(board.checkpointFailures == 100)
        #expect(board.notes.map(\.what) == ["The checkpoint of step 100 was not written."])
    }

    @Test func `a script without an adapter tells its steps by what it logs, and how many there are`() throws {
        var board = JobBoard()
        var (report, total) = (Report(), Progress())
        (total.stepsTotal, report.at) = (100, 10_000)
        report.progress = total
        board.hear(report, from: 0)
        for step in Int64(1)...20 {
            var (report, log, logged) = (Report(), LogLine(), LoggedValue())
            (logged.name, logged.value, log.step, report.at) = ("loss", 0.5, step, 10_000 + step * 250)
            log.values = [logged]
            report.log = log
            board.hear(report, from: 0)
        }
        #expect(board.step == 20 && board.fraction == 0.2)
        #expect(try #require(board.secondsLeft) == 20)
    }

    @Test func `steps that nobody told, because the daemon was away, are no stall`() {
        var board = board(ranks: 2, steps: 50)
        for slot in 0..<2 { board.hear(progress(450, at: 14_500), from: slot) }
        #expect(board.course.stalls.isEmpty, "4 s, and 400 steps of 10 ms in them")
    }

    @Test func `a replacement counts its samples from nothing, and the rank's throughput stays what it was`() throws {
        var board = board(ranks: 1, steps: 50)
        var (report, joined) = (Report(), Joined())
        (joined.epoch, joined.step, report.at) = (3, 100, 11_100)
        report.joined = joined
        board.hear(report, from: 0)
        for step in Int64(1)...20 {
            var report = progress(100 + step, at: 11_100 + step * 10)
            report.progress?.samples = step * 8
            board.hear(report, from: 0)
        }
        #expect(board.ranks[0]?.samplesSeen == 560)
        #expect(try #require(board.samplesPerSecond).rounded() == 800)
    }

    @Test func `throughput is that of the ranks which take steps`() throws {
        var board = board(ranks: 2, steps: 50)
        #expect(try #require(board.samplesPerSecond).rounded() == 1_600)
        for step in Int64(51)...600 { board.hear(progress(step, at: 10_000 + step * 10), from: 0) }
        #expect(try #require(board.samplesPerSecond).rounded() == 800)
    }

    @Test func `processor time of a replacement is added to that of the one before`() {
        var rank = JobBoard.RankFigures()
        for (cpu, peak) in [(500, 10), (900, 30), (100, 20), (400, 20)] as [(Int64, Int64)] {
            rank.used(cpuMilliseconds: cpu, memoryPeak: peak)
        }
        #expect(rank.cpuBefore + rank.cpuMilliseconds == 1_300)
        #expect(rank.memoryPeak == 30)
    }

    @Test func `who says that the others wait for it is suspected before one that has not answered yet`() {
        func rank(_ said: String?, step: Int64 = 5) -> JobBoard.RankFigures {
            var rank = JobBoard.RankFigures()
            (rank.step, rank.stack) = (step, said.map { ["MainThread: in backward", "openclaw: \($0)"] } ?? [])
            return rank
        }
        let (waits, stuck) = (rank("waits for the others in exchange 9"), rank("the others wait for it: it has not given its part"))
        let suspects = [waits, rank(nil), stuck, rank("waits for the others in exchange 9", step: 4)]
        let order = suspects.indices.sorted { TrainingService.suspicion(suspects[$0]) < TrainingService.suspicion(suspects[$1]) }
        #expect(order == [2, 1, 3, 0])
    }
}
