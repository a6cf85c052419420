import Experiments
import Faults
import Statistics
import Testing

@Suite struct ReplayTests {
    /// A world with known rewards: three arms, two kinds of user; each unit comes once to three times and keeps its arm.
    private struct World {
        static let rates = [[0.30, 0.50], [0.45, 0.35], [0.20, 0.60]]  // by arm and kind
        static let logged = [0.6, 0.3, 0.1]

        static func value(of shares: [Double]) -> Double {
            zip(shares, rates).reduce(0) { $0 + $1.0 * ($1.1[0] + $1.1[1]) / 2 }
        }

        static func log(seed: UInt64, units: Int) -> ReplayLog {
            var random = SplitMix64(seed: seed)
            var rows: [ReplayLog.Row] = []
            for unit in 0..<UInt64(units) {
                let kind = Int(random.next() % 2)
                let u = random.unit()
                let arm = u < 0.6 ? 0 : u < 0.9 ? 1 : 2
                // A unit has a mood of its own: its rewards go together.
                let mood = (random.unit() - 0.5) * 0.3
                for _ in 0..<(1 + Int(random.next() % 3)) {
                    rows.append(
                        .init(
                            unit: unit, arm: arm, propensity: logged[arm],
                            value: random.unit() < rates[arm][kind] + mood ? 1 : 0, features: [Double(kind)]))
                }
            }
            return ReplayLog(arms: ["a", "b", "c"], rows: rows)
        }
    }

    @Test func `intervals hold the truth as often as they say`() throws {
        let target = [0.2, 0.3, 0.5]
        let truth = World.value(of: target)
        var held: [Replay.Estimate.Method: Int] = [:]
        var width: [Replay.Estimate.Method: Double] = [:]
        var (sums, always): ([Replay.Estimate.Method: Double], Int) = ([:], 0)
        let runs = 120
        for seed in 0..<UInt64(runs) {
            let log = World.log(seed: seed, units: 400)
            var settings = Replay.Settings()
            settings.effectiveMin = 50
            let replay = try Replay(of: .shares(target), on: log, settings: settings)
            for estimate in replay.estimates {
                held[estimate.method, default: 0] += estimate.lower <= truth && truth <= estimate.upper ? 1 : 0
                width[estimate.method, default: 0] += (estimate.upper - estimate.lower) / Double(runs)
                sums[estimate.method, default: 0] += estimate.value / Double(runs)
            }
            settings.isAlwaysValid = true
            let wide = try Replay(of: .shares(target), on: log, settings: settings).estimates[1]
            always += wide.lower <= truth && truth <= wide.upper ? 1 : 0
        }
        // 95 % of 120 are 114; 104 and fewer come once in ten thousand times.
        for method in Replay.Estimate.Method.allCases {
            #expect((105...120).contains(held[method] ?? 0), "\(method): \(held[method] ?? 0) of \(runs)")
            #expect(abs((sums[method] ?? 0) - truth) < 0.015, "\(method) is off by \((sums[method] ?? 0) - truth)")
        }
        #expect(always >= 115, "\(always)")
        #expect((width[.snips] ?? 1) < (width[.ips] ?? 0))
        #expect((width[.doublyRobust] ?? 1) < 1.05 * (width[.snips] ?? 0))
    }

    @Test func `the recorded allocation itself has weights of one`() throws {
        let log = World.log(seed: 1, units: 300)
        let replay = try Replay(of: .shares(World.logged), on: log)
        #expect(replay.largestWeight == 1 && replay.units == 300)
        #expect(abs(replay.estimates[0].value - replay.recorded.value) < 1e-12)
        #expect(abs(replay.estimates[0].lower - replay.recorded.lower) < 1e-12)
        // Units come once to three times: they are worth somewhat less than 300 equal ones.
        #expect(replay.effectiveUnits > 230 && replay.effectiveUnits < 300)
    }

    @Test func `a bandit replayed earns more than the split that was recorded, one with context most`() throws {
        let log = World.log(seed: 3, units: 2_000)
        let allocation = Allocation(strategy: .thompson, floor: 200, warmUp: 20)
        let thompson = try Replay(of: .allocation(allocation, seed: 1), on: log)
        #expect(thompson.estimates.allSatisfy { abs($0.value - 0.4) < 0.05 })
        var contextual = allocation
        contextual.strategy = .linUCB
        let byKind = try Replay(of: .allocation(contextual, seed: 1), on: log)
        // The best arm of each kind earns .45 and .60: .525 together, less what learning and the floor cost.
        #expect(byKind.estimates[2].value > thompson.estimates[2].value + 0.03)
        #expect(byKind.estimates[2].lower < 0.525)
    }

    @Test func `what the record cannot say is refused`() throws {
        let log = World.log(seed: 2, units: 200)
        func refusal(_ target: ReplayTarget, _ log: ReplayLog, _ settings: Replay.Settings = .init()) -> String? {
            do throws(Fault) {
                _ = try Replay(of: target, on: log, settings: settings)
                return nil
            } catch { return error.what }
        }
        // Almost nobody saw c: 200 units are worth some 20.
        #expect(refusal(.shares([0, 0, 1]), log) == "The record is too thin for this question.")
        var unseen = log
        unseen.arms.append("d")
        #expect(refusal(.shares([0.5, 0, 0, 0.5]), unseen) == "The record cannot say what d would have earned.")
        #expect(refusal(.shares([0.5, 0.4, 0.2]), log) == "These shares are none of the experiment's.")
        var wrong = World.log(seed: 2, units: 3_000)
        for row in wrong.rows.indices { wrong.rows[row].propensity = 1.0 / 3 }
        #expect(refusal(.shares([0.1, 0.2, 0.7]), wrong) == "The recorded probabilities do not fit what was recorded.")
        var bare = log
        for row in bare.rows.indices { bare.rows[row].features = [] }
        #expect(refusal(.allocation(Allocation(strategy: .linTS), seed: 1), bare) == "lints cannot be replayed.")
        #expect(refusal(.shares([1, 0, 0]), ReplayLog(arms: ["a", "b", "c"], rows: [])) == "There is nothing to replay.")
    }

    @Test func `clipping says what it may have cost`() throws {
        let log = World.log(seed: 9, units: 3_000)
        var settings = Replay.Settings()
        let free = try Replay(of: .shares([0.2, 0.3, 0.5]), on: log, settings: settings)
        #expect(free.clippingBias == nil && free.largestWeight == 5)
        settings.clip = 2
        let clipped = try Replay(of: .shares([0.2, 0.3, 0.5]), on: log, settings: settings)
        let bias = try #require(clipped.clippingBias)
        #expect(clipped.largestWeight == 2)
        let moved = clipped.estimates[0].value - free.estimates[0].value
        #expect(moved < 0 && bias.contains(moved), "\(moved) in \(bias)")
    }

    // MARK: - Reading

    @Test func `an export of lines is joined: by request, by unit, with corrections`() throws {
        let text = """
            {"kind":"exposure","at":"2026-01-01T00:00:00Z","request":"r1","unit":"00ff","variant":"a","propensity":0.5,"status":200}
            {"kind":"exposure","at":"2026-01-01T00:00:01Z","request":"r2","unit":"01ff","variant":"b","propensity":0.25,"features":[1,0.5]}
            {"kind":"exposure","at":"2026-01-01T00:00:02Z","request":"r3","unit":"02ff","variant":"a","propensity":0}
            {"kind":"outcome","request":"r1","unit":"00ff","variant":"a","propensity":0.5,"metric":"solved","value":1}
            {"kind":"outcome","request":"r1","unit":"00ff","variant":"a","propensity":0.5,"metric":"other","value":7}
            {"kind":"outcome","unit":"01ff","variant":"b","propensity":0.25,"metric":"solved","value":3}
            {"kind":"outcome","unit":"01ff","variant":"b","propensity":0.25,"metric":"solved","value":2,"replaces":3}
            {"kind":"exposure","request":"r4","unit":"03ff","variant":"a","propensity":0.5}
            """
        let log = try ReplayLog(export: text, reading: .init(metric: "solved"))
        #expect(log.arms == ["a", "b"] && log.rows.map(\.value) == [1, 2] && log.rows.map(\.propensity) == [0.5, 0.25])
        #expect(log.rows[1].features == [1, 0.5] && log.overrides == 1 && log.unanswered == 1)
        #expect(try ReplayLog(export: text, reading: .init(metric: "solved", missing: 0)).rows.map(\.value) == [1, 2, 0])
    }

    @Test func `an export of commas says the same`() throws {
        let text = #"""
            kind,at,request,unit,variant,propensity,status,latency_ms,metric,value,replaces,exposed_at
            exposure,2026-01-01T00:00:00Z,r1,00ff,"a, the first",0.5,200,12.5,,,,
            exposure,2026-01-01T00:00:01Z,r2,01ff,"say ""b""",0.25,200,3,,,,
            outcome,2026-01-01T00:00:02Z,r1,00ff,"a, the first",0.5,,,solved,1,,2026-01-01T00:00:00Z
            outcome,2026-01-01T00:00:02Z,r2,01ff,b,0.25,,,solved,0,,2026-01-01T00:00:00Z
            """#
        let log = try ReplayLog(export: text, reading: .init(metric: "solved"))
        #expect(log.arms == ["a, the first", "say \"b\""] && log.rows.map(\.value) == [1, 0])
    }

    @Test(arguments: [
        ("", "Line 1"), ("{\"unit\":\"u\"}", "Line 1"), ("unit,variant,propensity,value\nu,a,0.5,1\nu,a,70,1", "Line 3"),
        ("unit,variant,propensity,value\n", "There is nothing to replay."), ("{\"unit\":\"u\",\"variant\":\"a\",", "Line 1"),
    ])
    func `a line that cannot be read is named`(text: String, what: String) {
        do throws(Fault) {
            _ = try ReplayLog(export: text, reading: .init(metric: "solved"))
            Issue.record("it was read")
        } catch { #expect(error.what.hasPrefix(what), "\(error.what)") }
    }
}
