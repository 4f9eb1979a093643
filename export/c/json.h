// A reader of JSON (RFC 8259) for the metadata inside an exported file.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct Json {
  enum class Kind { null, boolean, number, text, list, object };

  Kind kind = Kind::null;
  bool truth = false;
  double number = 0;
  std::string text;
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> members;

  // Each throws Problem if the value is missing or of another kind.
  const Json& at(std::string_view key) const;
  const std::string& as_text() const;
  double as_number() const;
  const std::vector<Json>& as_list() const;
  std::vector<std::string> as_texts() const;
};

// Throws Problem unless the text is exactly one complete JSON value.
Json parse_json(std::string_view text);
