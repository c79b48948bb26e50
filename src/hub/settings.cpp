#include "hub/settings.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <initializer_list>

namespace weir {
namespace {

constexpr size_t kMaxTokenBytes = 4096;

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string FirstOf(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (std::string value = Variable(name); !value.empty()) return value;
  }
  return {};
}

/// "~" as the shell expands it; the hub's client does so in these variables.
std::string ExpandHome(const std::string& path) {
  const bool home = path == "~" || path.starts_with("~/");
  return home ? Variable("HOME") + path.substr(1) : path;
}

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

std::string ReadTokenFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxTokenBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return Trimmed(text);
}

Result<std::string> HomeFolder() {
  if (const std::string home = ExpandHome(Variable("HF_HOME")); !home.empty()) return home;
  if (const std::string cache = Variable("XDG_CACHE_HOME"); !cache.empty())
    return cache + "/huggingface";
  const std::string home = Variable("HOME");
  if (home.empty()) return BadInput("no folder for downloads: neither HF_HOME nor HOME is set");
  return home + "/.cache/huggingface";
}

bool IsTrue(std::string value) {
  for (char& c : value) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

}  // namespace

Result<HubSettings> ReadHubSettings() {
  WEIR_TRY(const std::string home, HomeFolder());
  HubSettings settings;
  settings.endpoint = Trimmed(Variable("HF_ENDPOINT"));
  if (settings.endpoint.empty()) settings.endpoint = "https://huggingface.co";
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  if (!settings.endpoint.starts_with("https://") && !settings.endpoint.starts_with("http://")) {
    return BadInput("HF_ENDPOINT: expected an address that starts with https://, found '{}'",
                    settings.endpoint);
  }
  settings.cache = ExpandHome(FirstOf({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}));
  if (settings.cache.empty()) settings.cache = home + "/hub";
  settings.token = Trimmed(FirstOf({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}));
  if (settings.token.empty()) {
    const std::string path = ExpandHome(Variable("HF_TOKEN_PATH"));
    settings.token = ReadTokenFile(path.empty() ? home + "/token" : path);
  }
  const auto unfit = [](char c) { return c <= 0x20 || c >= 0x7f; };
  if (std::any_of(settings.token.begin(), settings.token.end(), unfit)) {
    return BadInput(
        "the token for the hub: expected letters and digits, found other bytes (HF_TOKEN or "
        "{}/token)",
        home);
  }
  settings.offline = IsTrue(Variable("HF_HUB_OFFLINE"));
  return settings;
}

}  // namespace weir
