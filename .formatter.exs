[line_length: 118, inputs: ["examples/*.ex", "tests/elixir/**/*.exs"]]
