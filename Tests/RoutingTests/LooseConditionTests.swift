import JSON
import Routing
import Testing

/// What conditions hold for where JavaScript's rules are not what one would guess: an SDK in a browser and the gateway must give a
/// unit the same answer. Beyond the published cases.
struct LooseConditionTests {
    private static func holds(_ condition: String, _ attributes: String, groups: String = "{}") throws -> Bool {
        let condition = Condition(try JSONValue(parsing: condition))
        return condition.matches(
            attributes: try JSONValue(parsing: attributes), savedGroups: try JSONValue(parsing: groups).objectValue ?? [:])
    }

    @Test(
        arguments: [
            // A text is true unless it is empty: "false" and "0" are texts.
            (#"{"a": true}"#, #"{"a": "false"}"#, true), (#"{"a": false}"#, #"{"a": "false"}"#, false),
            (#"{"a": true}"#, #"{"a": "0"}"#, true), (#"{"a": false}"#, #"{"a": ""}"#, true), (#"{"a": true}"#, #"{"a": 1}"#, true),
            (#"{"a": false}"#, #"{"a": 0}"#, true), (#"{"a": false}"#, #"{"a": -0.0}"#, true),
            (#"{"a": true}"#, #"{"a": []}"#, true),
            (#"{"a": true}"#, #"{"a": {}}"#, true), (#"{"a": false}"#, #"{"a": null}"#, false), (#"{"a": true}"#, "{}", false),
            (#"{"a": {"$exists": "false"}}"#, "{}", false), (#"{"a": {"$exists": 0}}"#, "{}", true),
            (#"{"a": {"$exists": true}}"#, #"{"a": false}"#, true), (#"{"a": {"$exists": true}}"#, #"{"a": null}"#, false),
        ] as [(String, String, Bool)])
    func `a boolean condition asks for what is true`(condition: String, attributes: String, holds: Bool) throws {
        #expect(try Self.holds(condition, attributes) == holds, "\(condition) of \(attributes)")
    }

    @Test(
        arguments: [
            (#"{"a": 10}"#, #"{"a": "10"}"#, true), (#"{"a": 10}"#, #"{"a": " 10 "}"#, true),
            (#"{"a": 10}"#, #"{"a": "10px"}"#, false),
            (#"{"a": 10}"#, #"{"a": "1e1"}"#, true), (#"{"a": 16}"#, #"{"a": "0x10"}"#, true),
            (#"{"a": 16}"#, #"{"a": "-0x10"}"#, false),
            (#"{"a": 5}"#, #"{"a": "0b101"}"#, true), (#"{"a": 8}"#, #"{"a": "0o10"}"#, true),
            (#"{"a": 0}"#, #"{"a": "0x"}"#, false),
            (#"{"a": 1.0}"#, #"{"a": 1}"#, true), (#"{"a": 0.5}"#, #"{"a": ".5"}"#, true), (#"{"a": 5}"#, #"{"a": "5."}"#, true),
            (#"{"a": 0}"#, #"{"a": null}"#, true), (#"{"a": 0}"#, "{}", true), (#"{"a": 0}"#, #"{"a": ""}"#, true),
            (#"{"a": 0}"#, #"{"a": false}"#, true), (#"{"a": 1}"#, #"{"a": true}"#, true), (#"{"a": 0}"#, #"{"a": []}"#, true),
            (#"{"a": 7}"#, #"{"a": [7]}"#, true), (#"{"a": 7}"#, #"{"a": ["7"]}"#, true), (#"{"a": 7}"#, #"{"a": [7, 7]}"#, false),
            (#"{"a": 0}"#, #"{"a": {}}"#, false), (#"{"a": 1}"#, #"{"a": "nan"}"#, false),
            (#"{"a": "10"}"#, #"{"a": 10}"#, true), (#"{"a": "1.5"}"#, #"{"a": 1.5}"#, true),
            (#"{"a": "1"}"#, #"{"a": 1.0}"#, true),
            (#"{"a": "1e+21"}"#, #"{"a": 1e21}"#, true), (#"{"a": "true"}"#, #"{"a": true}"#, true),
            (#"{"a": "null"}"#, #"{"a": null}"#, true), (#"{"a": "null"}"#, "{}", true), (#"{"a": ""}"#, #"{"a": null}"#, false),
            (#"{"a": "1,2"}"#, #"{"a": [1, 2]}"#, true), (#"{"a": ",x"}"#, #"{"a": [null, "x"]}"#, true),
            (#"{"a": ""}"#, #"{"a": []}"#, true), (#"{"a": "[object Object]"}"#, #"{"a": {"b": 1}}"#, true),
            (#"{"a": "é"}"#, "{\"a\": \"e\u{301}\"}", false),
            (#"{"a": null}"#, #"{"a": 0}"#, false), (#"{"a": null}"#, #"{"a": false}"#, false), (#"{"a": null}"#, "{}", true),
            (#"{"a": [1, "x"]}"#, #"{"a": [1.0, "x"]}"#, true), (#"{"a": ["1"]}"#, #"{"a": [1]}"#, false),
            (#"{"a": []}"#, #"{"a": []}"#, true), (#"{"a": {}}"#, #"{"a": {}}"#, true), (#"{"a": {}}"#, "{}", false),
            (#"{"a": {"b": 1, "$c": 2}}"#, #"{"a": {"b": 1, "$c": 2}}"#, true),
        ] as [(String, String, Bool)])
    func `a value is compared loosely`(condition: String, attributes: String, holds: Bool) throws {
        #expect(try Self.holds(condition, attributes) == holds, "\(condition) of \(attributes)")
    }

    @Test(
        arguments: [
            (#"{"a": {"$eq": "1"}}"#, #"{"a": 1}"#, false), (#"{"a": {"$eq": 1}}"#, #"{"a": 1.0}"#, true),
            (#"{"a": {"$eq": null}}"#, "{}", true), (#"{"a": {"$ne": null}}"#, "{}", false), (#"{"a": {"$ne": "x"}}"#, "{}", true),
            (#"{"a": {"$eq": [1]}}"#, #"{"a": [1]}"#, false), (#"{"a": {"$ne": {"b": 1}}}"#, #"{"a": {"b": 1}}"#, true),
            (#"{"a": {"$in": ["1"]}}"#, #"{"a": 1}"#, false), (#"{"a": {"$in": [null]}}"#, "{}", true),
            (#"{"a": {"$in": [[1]]}}"#, #"{"a": [1]}"#, false), (#"{"a": {"$in": []}}"#, #"{"a": 1}"#, false),
            (#"{"a": {"$nin": []}}"#, #"{"a": 1}"#, true), (#"{"a": {"$nin": [1]}}"#, "{}", true),
            (#"{"a": {"$nin": "x"}}"#, #"{"a": 1}"#, false), (#"{"a": {"$in": "xyz"}}"#, #"{"a": "x"}"#, false),
            (#"{"a": {"$in": ["US"]}}"#, #"{"a": "us"}"#, false), (#"{"a": {"$ini": ["US", 7]}}"#, #"{"a": 7}"#, true),
            (#"{"a": {"$ini": ["7"]}}"#, #"{"a": 7}"#, false), (#"{"a": {"$nini": ["us"]}}"#, #"{"a": ["FR", "US"]}"#, false),
            (#"{"a": {"$all": ["1"]}}"#, #"{"a": [1, 2]}"#, true), (#"{"a": {"$all": []}}"#, #"{"a": []}"#, true),
            (#"{"a": {"$all": []}}"#, "{}", false), (#"{"a": {"$all": "x"}}"#, #"{"a": ["x"]}"#, false),
            (#"{"a": {"$all": [{"$gt": 3}, 1]}}"#, #"{"a": [1, 4]}"#, true),
            (#"{"a": {"$alli": ["ONE"]}}"#, #"{"a": ["one"]}"#, true),
            (#"{"a": {"$alli": ["ONE", "two"]}}"#, #"{"a": ["one"]}"#, false),
            (#"{"a": {"$all": ["ONE"]}}"#, #"{"a": ["one"]}"#, false),
            (#"{"a": {"$alli": [1]}}"#, #"{"a": ["1"]}"#, true),
            (#"{"a": {"$elemMatch": {"$lt": 1}}}"#, #"{"a": [0]}"#, false),
            (#"{"a": {"$elemMatch": {"$lt": 1}}}"#, #"{"a": [-1]}"#, true),
            (#"{"a": {"$elemMatch": {"$ne": 1}}}"#, #"{"a": [null, false, ""]}"#, false),
            (#"{"a": {"$elemMatch": {}}}"#, #"{"a": [1]}"#, true), (#"{"a": {"$elemMatch": {}}}"#, #"{"a": [0]}"#, false),
            (#"{"a": {"$elemMatch": {"b": 1, "c": {"$gt": 2}}}}"#, #"{"a": [{"b": 1, "c": 1}, {"b": 1, "c": 3}]}"#, true),
            (#"{"a": {"$elemMatch": {"b": null}}}"#, #"{"a": ["x"]}"#, true),
            (#"{"a": {"$elemMatch": {"$gt": 0}}}"#, #"{"a": 5}"#, false),
            (#"{"a": {"$size": "2"}}"#, #"{"a": [1, 2]}"#, true), (#"{"a": {"$size": 2}}"#, #"{"a": "xx"}"#, false),
            (#"{"a": {"$size": {"$gte": 1, "$lt": 3}}}"#, #"{"a": [1, 2]}"#, true), (#"{"a": {"$size": 0}}"#, "{}", false),
            (#"{"a": {"$size": false}}"#, #"{"a": []}"#, true), (#"{"a": {"$size": true}}"#, #"{"a": [0]}"#, true),
            (#"{"a": {"$type": "null"}}"#, "{}", true), (#"{"a": {"$type": "undefined"}}"#, "{}", false),
            (#"{"a": {"$type": "array"}}"#, #"{"a": []}"#, true), (#"{"a": {"$type": "object"}}"#, #"{"a": []}"#, false),
            (#"{"a": {"$type": 1}}"#, #"{"a": 1}"#, false), (#"{"a": {"$type": "boolean"}}"#, #"{"a": false}"#, true),
            (#"{"a": {"$nosuch": 1}}"#, #"{"a": 1}"#, false), (#"{"$not": {"a": {"$nosuch": 1}}}"#, #"{"a": 1}"#, true),
            (#"{"a": {"$gt": 1, "$nosuch": 1}}"#, #"{"a": 2}"#, false), (#"{"$nosuch": {"a": 1}}"#, #"{"a": 1}"#, false),
        ] as [(String, String, Bool)])
    func `operators on one value, on lists, and operators that are none`(condition: String, attributes: String, holds: Bool) throws
    {
        #expect(try Self.holds(condition, attributes) == holds, "\(condition) of \(attributes)")
    }

    @Test(
        arguments: [
            (#"{"a": {"$gt": 9}}"#, #"{"a": "10"}"#, true), (#"{"a": {"$gt": "9"}}"#, #"{"a": "10"}"#, false),
            (#"{"a": {"$gt": "9"}}"#, #"{"a": 10}"#, true), (#"{"a": {"$lt": 5}}"#, #"{"a": "abc"}"#, false),
            (#"{"a": {"$gte": 5}}"#, #"{"a": "abc"}"#, false), (#"{"a": {"$lt": 1}}"#, "{}", true),
            (#"{"a": {"$gte": 0}}"#, "{}", true),
            (#"{"a": {"$gt": -1}}"#, #"{"a": null}"#, true), (#"{"a": {"$lt": "b"}}"#, #"{"a": null}"#, false),
            (#"{"a": {"$lt": "b"}}"#, #"{"a": "B"}"#, true), (#"{"a": {"$lt": 2}}"#, #"{"a": true}"#, true),
            (#"{"a": {"$gt": 3}}"#, #"{"a": [5]}"#, true), (#"{"a": {"$gt": "3"}}"#, #"{"a": [15]}"#, false),
            (#"{"a": {"$gt": 3}}"#, #"{"a": [5, 6]}"#, false), (#"{"a": {"$gt": "Z"}}"#, #"{"a": {"b": 1}}"#, true),
            (#"{"a": {"$lte": "2024-03-01"}}"#, #"{"a": "2024-02-29"}"#, true),
            (#"{"a": {"$gt": "2024-01-01T00:00:00Z"}}"#, #"{"a": "2023-12-31T23:59:59Z"}"#, false),
            (#"{"a": {"$lt": "\uffff"}}"#, #"{"a": "😀"}"#, true), (#"{"a": {"$lte": 1, "$gte": 1}}"#, #"{"a": "01"}"#, true),
            (#"{"a": {"$gt": null}}"#, #"{"a": 1}"#, true), (#"{"a": {"$gt": false}}"#, #"{"a": 1}"#, true),
        ] as [(String, String, Bool)])
    func `texts compare as texts, all else as numbers`(condition: String, attributes: String, holds: Bool) throws {
        #expect(try Self.holds(condition, attributes) == holds, "\(condition) of \(attributes)")
    }

    @Test(
        arguments: [
            (#"{"a": {"$regex": "^1"}}"#, #"{"a": 123}"#, true), (#"{"a": {"$regex": "rue"}}"#, #"{"a": true}"#, true),
            (#"{"a": {"$regex": "null"}}"#, "{}", true), (#"{"a": {"$regex": "^1,2$"}}"#, #"{"a": [1, 2]}"#, true),
            (#"{"a": {"$regex": ""}}"#, #"{"a": "x"}"#, true), (#"{"a": {"$regex": 1}}"#, #"{"a": "1"}"#, false),
            (#"{"a": {"$regex": null}}"#, #"{"a": "null"}"#, false), (#"{"a": {"$not": {"$regex": "^x"}}}"#, "{}", true),
            (#"{"a": {"$regex": "a/b"}}"#, #"{"a": "a/b"}"#, true), (#"{"a": {"$regexi": "É"}}"#, #"{"a": "é"}"#, true),
            (#"{"a": {"$regex": "(unclosed"}}"#, #"{"a": "(unclosed"}"#, false),
            (#"{"a.b.c": 1}"#, #"{"a": {"b": {"c": 1}}}"#, true), (#"{"a.b.c": null}"#, #"{"a": "x"}"#, true),
            (#"{"a.1": "y"}"#, #"{"a": ["x", "y"]}"#, true), (#"{"a.01": null}"#, #"{"a": ["x", "y"]}"#, true),
            (#"{"a.length": 2}"#, #"{"a": ["x", "y"]}"#, true), (#"{"a.length": null}"#, #"{"a": "xy"}"#, true),
            (#"{"a.b": 1}"#, #"{"a.b": 1}"#, false), (#"{"": 1}"#, #"{"": 1}"#, true),
            (#"{"a..b": 1}"#, #"{"a": {"": {"b": 1}}}"#, true),
            (#"{"a.0.b": 3}"#, #"{"a": [{"b": 3}]}"#, true),
            (#"{"$or": []}"#, "{}", true), (#"{"$and": []}"#, "{}", true), (#"{"$nor": []}"#, "{}", false),
            (#"{"$not": {}}"#, "{}", false), (#"{"$nor": [{"a": 1}, {"b": 2}]}"#, #"{"a": 2, "b": 1}"#, true),
            (#"{"a": {"$not": 1}}"#, #"{"a": 2}"#, true), (#"{"a": {"$not": null}}"#, "{}", false),
            (#"{"a": {"$not": {"$gt": 1}, "$exists": true}}"#, #"{"a": 1}"#, true),
            (#"{"$and": [{"$or": [{"a": 1}, {"$not": {"b": 2}}]}, {"c": {"$nin": [3]}}]}"#, #"{"a": 0, "b": 3, "c": 4}"#, true),
        ] as [(String, String, Bool)])
    func `patterns, paths and what joins conditions`(condition: String, attributes: String, holds: Bool) throws {
        #expect(try Self.holds(condition, attributes) == holds, "\(condition) of \(attributes)")
    }

    @Test(
        arguments: [
            (#"{"v": {"$vgt": "1.2.3"}}"#, #"{"v": "1.2.10"}"#, true),
            (#"{"v": {"$vlt": "1.0.0"}}"#, #"{"v": "1.0.0-rc.1"}"#, true),
            (#"{"v": {"$veq": "1.2.3"}}"#, #"{"v": "v1.2.3+build"}"#, true),
            (#"{"v": {"$vne": "1.2.3"}}"#, #"{"v": "1.2.3"}"#, false),
            (#"{"v": {"$vgte": "1.2.3"}}"#, #"{"v": "1.2.3"}"#, true), (#"{"v": {"$vlte": "1.2.3"}}"#, #"{"v": "1.2.4"}"#, false),
            (#"{"v": {"$vlt": "0.0.1"}}"#, "{}", true), (#"{"v": {"$veq": "0"}}"#, "{}", true),
            (#"{"v": {"$veq": "0"}}"#, #"{"v": ""}"#, true),
            (#"{"v": {"$veq": "2"}}"#, #"{"v": 2}"#, true), (#"{"v": {"$veq": "1.5"}}"#, #"{"v": 1.5}"#, true),
            (#"{"v": {"$veq": "0"}}"#, #"{"v": true}"#, true),
            (#"{"v": {"$vgt": "1.0.0-beta.2"}}"#, #"{"v": "1.0.0-beta.11"}"#, true),
            (#"{"v": {"$vgt": "1.0.99999"}}"#, #"{"v": "1.0.100000"}"#, true),
            (#"{"v": {"$vlt": "1.0.0"}}"#, #"{"v": "1.0.0-1"}"#, true),
        ] as [(String, String, Bool)])
    func `versions`(condition: String, attributes: String, holds: Bool) throws {
        #expect(try Self.holds(condition, attributes) == holds, "\(condition) of \(attributes)")
    }

    @Test func `saved groups compare strictly, and a group that is not there has nobody`() throws {
        let groups = #"{"g": [1, "b", null], "7": ["x"]}"#
        #expect(try Self.holds(#"{"a": {"$inGroup": "g"}}"#, #"{"a": 1}"#, groups: groups))
        #expect(try !Self.holds(#"{"a": {"$inGroup": "g"}}"#, #"{"a": "1"}"#, groups: groups))
        #expect(try Self.holds(#"{"a": {"$inGroup": "g"}}"#, #"{"a": ["z", "b"]}"#, groups: groups))
        #expect(try Self.holds(#"{"a": {"$inGroup": "g"}}"#, "{}", groups: groups))
        #expect(try Self.holds(#"{"a": {"$notInGroup": "none"}}"#, #"{"a": 1}"#, groups: groups))
        #expect(try Self.holds(#"{"a": {"$inGroup": 7}}"#, #"{"a": "x"}"#, groups: groups))
    }

    @Test(arguments: [
        #"{"a": {"$nosuch": 1}}"#, #"{"$or": {}}"#, #"{"$nor": 1}"#, #"{"$not": 1}"#, "[]", #"{"a": {"$in": 1}}"#,
        #"{"a": {"$regex": 1}}"#,
        #"{"a": {"$regex": "("}}"#, #"{"a": {"$all": {}}}"#,
    ])
    func `what is not understood says so and holds for nobody`(text: String) throws {
        let condition = Condition(try JSONValue(parsing: text))
        #expect(condition.complaint != nil)
        #expect(!condition.matches(attributes: ["a": 1]) && !condition.matches(attributes: [:]))
    }

    @Test func `the words true and false of a header are booleans, everything else is its text`() {
        #expect(AttributeSource.value("true") == true && AttributeSource.value("false") == false)
        #expect(AttributeSource.value("False") == "False" && AttributeSource.value("1") == "1" && AttributeSource.value("") == "")
        let condition = Condition(["beta": false])
        #expect(condition.matches(attributes: ["beta": AttributeSource.value("false")]))
        #expect(!condition.matches(attributes: ["beta": AttributeSource.value("true")]))
    }
}
