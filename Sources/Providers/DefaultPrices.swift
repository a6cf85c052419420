/// List prices of some widely used models, gathered from what others published of them; nobody here is told when they change.
/// They are data to be replaced: a provider's own `prices:` stand before them, and `openclaw provider show` says of which day they
/// are. A model that is not here is unpriced, which is said; names are whole, or a name and the day of its snapshot, so that no
/// sibling (`-pro`, `-audio`) is taken for one of these.
enum DefaultPrices {
    static let text = """
        # USD for a million tokens. Looked up on this day in price lists that others had copied from the providers' own between
        # March and August 2026; where two of them differed the model was left out.
        as_of: "2026-11-21"
        prices:
          gpt-5.5:                 { input: 5, cached: 0.50, output: 30 }
          gpt-5.4:                 { input: 2.50, cached: 0.25, output: 15 }
          gpt-5.4-mini:            { input: 0.75, cached: 0.075, output: 4.50 }
          gpt-5.4-nano:            { input: 0.20, cached: 0.02, output: 1.25 }
          gpt-5.2:                 { input: 1.75, cached: 0.175, output: 14 }
          gpt-5.2-20*:             { input: 1.75, cached: 0.175, output: 14 }
          gpt-5.1:                 { input: 1.25, cached: 0.125, output: 10 }
          gpt-5.1-20*:             { input: 1.25, cached: 0.125, output: 10 }
          gpt-5:                   { input: 1.25, cached: 0.125, output: 10 }
          gpt-5-20*:               { input: 1.25, cached: 0.125, output: 10 }
          gpt-5-mini:              { input: 0.25, cached: 0.025, output: 2 }
          gpt-5-mini-20*:          { input: 0.25, cached: 0.025, output: 2 }
          gpt-5-nano:              { input: 0.05, cached: 0.005, output: 0.40 }
          gpt-5-nano-20*:          { input: 0.05, cached: 0.005, output: 0.40 }
          gpt-4.1:                 { input: 2, cached: 0.50, output: 8 }
          gpt-4.1-20*:             { input: 2, cached: 0.50, output: 8 }
          gpt-4.1-mini:            { input: 0.40, cached: 0.10, output: 1.60 }
          gpt-4.1-mini-20*:        { input: 0.40, cached: 0.10, output: 1.60 }
          gpt-4.1-nano:            { input: 0.10, cached: 0.025, output: 0.40 }
          gpt-4.1-nano-20*:        { input: 0.10, cached: 0.025, output: 0.40 }
          gpt-4o:                  { input: 2.50, cached: 1.25, output: 10 }
          gpt-4o-2024-08-06:       { input: 2.50, cached: 1.25, output: 10 }
          gpt-4o-2024-11-20:       { input: 2.50, cached: 1.25, output: 10 }
          gpt-4o-mini:             { input: 0.15, cached: 0.075, output: 0.60 }
          gpt-4o-mini-20*:         { input: 0.15, cached: 0.075, output: 0.60 }
          o3:                      { input: 2, cached: 0.50, output: 8 }
          o3-20*:                  { input: 2, cached: 0.50, output: 8 }
          o4-mini:                 { input: 1.10, cached: 0.275, output: 4.40 }
          o4-mini-20*:             { input: 1.10, cached: 0.275, output: 4.40 }
          text-embedding-3-small:  { input: 0.02 }
          text-embedding-3-large:  { input: 0.13 }
        """
}
