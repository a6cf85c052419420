import Faults
import JSON
import Testing

@Suite struct JSONCodingTests {
    enum Shape: Codable, Equatable {
        case dot
        case circle(radius: Double)
        case path([Int])
    }
    struct Wire: Codable, Equatable {
        var name: String
        var count: Int8
        var wide: UInt64
        var ratio: Double?
        var shapes: [Shape]
        var extra: JSONValue
        var byNumber: [Int: String]
        var nested: [String: [Bool]]
    }

    let wire = Wire(
        name: "a", count: -3, wide: .max, ratio: nil, shapes: [.dot, .circle(radius: 1.5), .path([1, 2])],
        extra: ["x": [1, nil, 2.5]], byNumber: [7: "seven"], nested: ["k": [true, false]])

    @Test func `a wire type reads back as itself`() throws {
        let json = JSONValue(encoding: wire)
        #expect(json["shapes"]?[1]?["circle"]?["radius"] == 1.5)
        #expect(json["extra"] == ["x": [1, nil, 2.5]])
        #expect(try json.decoded(as: Wire.self) == wire)
        #expect(try JSONValue(parsing: json.canonicalText).decoded(as: Wire.self) == wire)
    }

    @Test func `plain values and empty ones are wire types too`() throws {
        struct Nothing: Codable, Equatable {}
        #expect(JSONValue(encoding: "x") == "x")
        #expect(JSONValue(encoding: [Int]()) == [])
        #expect(JSONValue(encoding: Nothing()) == [:])
        #expect(JSONValue(encoding: Optional<Int>.none) == .null)
        #expect(try JSONValue.integer(3).decoded(as: Double.self) == 3)
    }

    @Test func `a number that is not finite is written as null`() {
        #expect(JSONValue(encoding: ["x": Double.nan]) == ["x": nil])
        #expect(JSONValue(encoding: [Float.infinity]) == [nil])
    }

    @Test func `a fault names the field that is missing or of another type`() throws {
        func why(_ change: (inout [String: JSONValue]) -> Void) throws -> String {
            var object = try #require(JSONValue(encoding: wire).objectValue)
            change(&object)
            return try #require(throws: Fault.self) { try JSONValue.object(object).decoded(as: Wire.self) }.why
        }
        #expect(try why { $0["name"] = nil }.contains("'/name' is missing"))
        #expect(try why { $0["name"] = 3 }.contains("'/name': expected a string, found an integer"))
        #expect(try why { $0["count"] = 300 }.contains("'/count': 300 is outside -128...127"))
        #expect(try why { $0["nested"] = ["k": [true, 1]] }.contains("'/nested/k/1': expected a boolean"))
        #expect(try why { $0["shapes"] = [["square": [:]]] }.contains("'/shapes/0'"))
        #expect(throws: Fault.self) { try JSONValue.array([]).decoded(as: Wire.self) }
    }
}
