#include "json.h"

#include <charconv>
#include <cmath>

#include "problem.h"

namespace {

constexpr int kDeepest = 64;

[[noreturn]] void unreadable() { throw Problem("expected readable metadata, found damage"); }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Json whole() {
    Json value = any(0);
    space();
    if (place_ != text_.size()) unreadable();
    return value;
  }

 private:
  char peek() const { return place_ < text_.size() ? text_[place_] : '\0'; }

  void space() {
    while (place_ < text_.size() && std::string_view(" \t\r\n").find(text_[place_]) != text_.npos)
      ++place_;
  }

  bool take(std::string_view word) {
    if (text_.substr(place_, word.size()) != word) return false;
    place_ += word.size();
    return true;
  }

  void need(std::string_view word) {
    if (!take(word)) unreadable();
  }

  Json any(int depth) {
    if (depth > kDeepest) unreadable();
    space();
    Json value;
    if (peek() == '{') {
      value.kind = Json::Kind::object;
      members(value, depth);
    } else if (peek() == '[') {
      value.kind = Json::Kind::list;
      items(value, depth);
    } else if (peek() == '"') {
      value.kind = Json::Kind::text;
      value.text = text();
    } else if (take("true")) {
      value.kind = Json::Kind::boolean;
      value.truth = true;
    } else if (take("false")) {
      value.kind = Json::Kind::boolean;
    } else if (!take("null")) {
      value.kind = Json::Kind::number;
      value.number = number();
    }
    return value;
  }

  void members(Json& value, int depth) {
    need("{");
    space();
    if (take("}")) return;
    do {
      space();
      std::string key = text();
      space();
      need(":");
      value.members.emplace_back(std::move(key), any(depth + 1));
      space();
    } while (take(","));
    need("}");
  }

  void items(Json& value, int depth) {
    need("[");
    space();
    if (take("]")) return;
    do {
      value.items.push_back(any(depth + 1));
      space();
    } while (take(","));
    need("]");
  }

  double number() {
    std::size_t start = place_;
    while (std::string_view("+-.eE0123456789").find(peek()) != std::string_view::npos &&
           place_ < text_.size())
      ++place_;
    double value = 0;
    const char* end = text_.data() + place_;
    auto found = std::from_chars(text_.data() + start, end, value);
    if (found.ec != std::errc() || found.ptr != end || !std::isfinite(value)) unreadable();
    return value;
  }

  std::string text() {
    need("\"");
    std::string found;
    while (!take("\"")) {
      if (place_ >= text_.size() || static_cast<unsigned char>(peek()) < 0x20) unreadable();
      if (take("\\"))
        escaped(found);
      else
        found += text_[place_++];
    }
    return found;
  }

  void escaped(std::string& found) {
    static constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    std::size_t which = letters.find(peek());
    if (place_ < text_.size() && which != letters.npos) {
      found += meant[which];
      ++place_;
      return;
    }
    need("u");
    unsigned point = four_digits();
    if (point >= 0xD800 && point < 0xDC00) {
      need("\\u");
      unsigned second = four_digits();
      if (second < 0xDC00 || second > 0xDFFF) unreadable();
      point = 0x10000 + ((point - 0xD800) << 10) + (second - 0xDC00);
    }
    append_utf8(found, point);
  }

  unsigned four_digits() {
    unsigned value = 0;
    std::string_view digits = text_.substr(place_, 4);
    auto found = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 4 || found.ptr != digits.data() + 4) unreadable();
    place_ += 4;
    return value;
  }

  static void append_utf8(std::string& found, unsigned point) {
    if (point < 0x80) {
      found += static_cast<char>(point);
    } else if (point < 0x800) {
      found += static_cast<char>(0xC0 | (point >> 6));
      found += static_cast<char>(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
      found += static_cast<char>(0xE0 | (point >> 12));
      found += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
      found += static_cast<char>(0x80 | (point & 0x3F));
    } else {
      found += static_cast<char>(0xF0 | (point >> 18));
      found += static_cast<char>(0x80 | ((point >> 12) & 0x3F));
      found += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
      found += static_cast<char>(0x80 | (point & 0x3F));
    }
  }

  std::string_view text_;
  std::size_t place_ = 0;
};

[[noreturn]] void wrong_kind(const char* expected) {
  throw Problem(std::string("expected complete metadata, found a value that is not ") + expected);
}

}  // namespace

const Json& Json::at(std::string_view key) const {
  for (const auto& [name, value] : members)
    if (name == key) return value;
  throw Problem("expected complete metadata, found no " + std::string(key));
}

const std::string& Json::as_text() const {
  if (kind != Kind::text) wrong_kind("text");
  return text;
}

double Json::as_number() const {
  if (kind != Kind::number) wrong_kind("a number");
  return number;
}

const std::vector<Json>& Json::as_list() const {
  if (kind != Kind::list) wrong_kind("a list");
  return items;
}

std::vector<std::string> Json::as_texts() const {
  std::vector<std::string> found;
  for (const Json& item : as_list()) found.push_back(item.as_text());
  return found;
}

Json parse_json(std::string_view text) { return Parser(text).whole(); }
