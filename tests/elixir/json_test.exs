defmodule PresenceTest.JsonTest do
  @moduledoc "JSON, as far as the module under test reads and writes it."
  use ExUnit.Case

  alias Lightning.Workflows.Presence.Json

  test "every kind of value is read" do
    for {text, value} <- [
          {~s( { "a" : [ 1 , {} , [] , null , true , false ] , "b" : "" } ),
           %{"a" => [1, %{}, [], nil, true, false], "b" => ""}},
          {~s([0, -1, 1763848291000001, 1.5, -0.25, 2e3, 1.5E-1]),
           [0, -1, 1_763_848_291_000_001, 1.5, -0.25, 2.0e3, 0.15]},
          {~S("\"\\\/\b\f\n\r\t"), "\"\\/\b\f\n\r\t"},
          {~S("caf\u00e9 \uD83D\ude00 é 😀"), "café 😀 é 😀"}
        ] do
      assert Json.decode(text) == {:ok, value}
    end
  end

  test "what is not JSON is refused" do
    for text <-
          ["", "{", "[1", "[1,]", "[1 2]", ~s({"a"}), ~s({"a":1,}), ~s({1:2}), ~s("a), ~s("\\x"), "nul", "1 1"] ++
            [~S("\ud83d"), ~S("\ud83d\u0041"), ~S("\ude00"), ~S("\u00g0"), "\"a\nb\"", <<?", 0xFF, ?">>, "<html>"] do
      assert Json.decode(text) == :error, inspect(text)
    end
  end

  test "what is written is read as it was" do
    value = %{"text" => "\"\\/\b\f\n\r\t\0 café 😀", "nothing" => nil, "number" => 1_763_848_291_000_001, "in" => %{}}
    assert value |> Json.encode() |> Json.decode() == {:ok, value}
    assert Json.encode(%{user: "a"}) == ~s({"user":"a"})
    assert Json.encode("\n\x1f") == ~S("\u000A\u001F")
  end
end
