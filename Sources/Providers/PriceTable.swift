import Faults
public import Routing
import YAML

/// What models cost. Prices are data: the default table says of which day it is, and a provider's own prices stand before it.
public struct PriceTable: Sendable {
    /// The day the prices were looked up.
    public let asOf: String
    public let prices: [String: ModelPrice]

    /// The table that comes with this version. It is read by the same reader as a user's file, once.
    public static let standard: PriceTable = {
        do throws(Fault) {
            guard let document = try YAMLNode.documents(in: DefaultPrices.text, file: "default prices").first else {
                preconditionFailure("the default prices are empty")
            }
            let file = try document.mapping("a price table")
            return PriceTable(asOf: try file.required("as_of").string(), prices: try read(try file.required("prices")))
        } catch {
            preconditionFailure("the default prices cannot be read: \(error)")
        }
    }()

    /// `MODEL: { input: 0.15, output: 0.60, cached: 0.075 }`, in USD for a million tokens.
    static func read(_ node: YAMLNode) throws(Fault) -> [String: ModelPrice] {
        let entries = try node.mapping("the prices of models").entries
        guard entries.count <= Provider.pricesMax else {
            throw node.fault(
                "There cannot be \(entries.count) prices.", why: "the limit is \(Provider.pricesMax).",
                fix: "Let one name that ends in * stand for several.")
        }
        var prices: [String: ModelPrice] = [:]
        for entry in entries {
            let file = try entry.value.mapping("what a model costs")
            try file.refuseUnknown(known: ["input", "output", "cached"])
            let input = try amount(try file.required("input"))
            prices[entry.key] = ModelPrice(
                input: input, output: try file["output"].map(amount) ?? 0, cached: try file["cached"].map(amount) ?? input)
        }
        return prices
    }

    private static func amount(_ node: YAMLNode) throws(Fault) -> Int64 {
        let text = try node.string()
        guard let amount = Money.nanoUSD(text), amount <= 1_000_000_000_000_000 else {
            throw node.fault(
                "'\(text)' is not a price.", why: "it is in USD for a million tokens, with at most nine decimals.",
                fix: "Write it like 0.15.")
        }
        return amount
    }
}

extension [String: ModelPrice] {
    /// The price of a model: under its own name, else under the longest name with a star that fits it (`gpt-4o-mini-2024-07-18`
    /// costs what `gpt-4o-mini*` says).
    public func price(of model: String) -> ModelPrice? {
        if let own = self[model] { return own }
        var best: (length: Int, price: ModelPrice)?
        for (name, price) in self where name.hasSuffix("*") && model.hasPrefix(name.dropLast()) {
            if name.utf8.count > best?.length ?? 0 { best = (name.utf8.count, price) }
        }
        return best?.price
    }
}
