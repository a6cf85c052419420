/// List prices of some widely used models. They change: a provider's own `prices:` stand before them, and
/// `openclaw provider show` says which of the two counts.
enum DefaultPrices {
    static let text = """
        # USD for a million tokens, as published by the providers themselves.
        as_of: "2025-08-31"
        prices:
          gpt-5*:                  { input: 1.25, cached: 0.125, output: 10 }
          gpt-5-mini*:             { input: 0.25, cached: 0.025, output: 2 }
          gpt-5-nano*:             { input: 0.05, cached: 0.005, output: 0.40 }
          gpt-4.1*:                { input: 2, cached: 0.50, output: 8 }
          gpt-4.1-mini*:           { input: 0.40, cached: 0.10, output: 1.60 }
          gpt-4.1-nano*:           { input: 0.10, cached: 0.025, output: 0.40 }
          gpt-4o*:                 { input: 2.50, cached: 1.25, output: 10 }
          gpt-4o-mini*:            { input: 0.15, cached: 0.075, output: 0.60 }
          o3:                      { input: 2, cached: 0.50, output: 8 }
          o4-mini*:                { input: 1.10, cached: 0.275, output: 4.40 }
          text-embedding-3-small:  { input: 0.02 }
          text-embedding-3-large:  { input: 0.13 }
          text-embedding-ada-002:  { input: 0.10 }
        """
}
