#include "store/fleet_address.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <memory>
#include <system_error>

#include "hub/digest.h"
#include "util/paths.h"

namespace weir {
namespace {

using Options = std::map<std::string, std::string>;

/// What libpq takes from the environment where a URL is silent, and what names the place that rows go to.
constexpr const char* kPlace[] = {"host", "hostaddr", "port", "dbname", "user", "service", "options"};

/// So that no command waits for ever. A server that has vanished is noticed after 30 s, also in the middle of rows.
constexpr std::pair<const char*, const char*> kDefaults[] = {{"connect_timeout", "10"},
                                                             {"tcp_user_timeout", "30000"},
                                                             {"keepalives_idle", "10"},
                                                             {"keepalives_interval", "5"},
                                                             {"keepalives_count", "4"},
                                                             {"application_name", "weir"}};

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using OwnedOptions = std::unique_ptr<PQconninfoOption, FreeOptions>;

Options Said(const PQconninfoOption* option) {
  Options said;
  for (; option && option->keyword; ++option) {
    if (option->val && *option->val) said[option->keyword] = option->val;
  }
  return said;
}

/// `plain`: what else stands for itself besides letters and digits.
std::string Encoded(std::string_view text, std::string_view plain) {
  std::string encoded;
  for (const char c : text) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) || plain.find(c) != plain.npos;
    encoded += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

/// The URL again, as one that means the same, but for its secrets.
std::string Shown(Options options) {
  for (const char* secret : {"password", "sslpassword"}) options.erase(secret);
  const auto take = [&](const char* name, const char* before, const char* after) {
    const auto node = options.extract(name);
    return node.empty() ? std::string() : before + Encoded(node.mapped(), "-._~,") + after;
  };
  std::string url = "postgresql://" + take("user", "", "@");
  // A folder of sockets, an address of IPv6 and several hosts have no simple place before the path.
  if (const auto host = options.find("host"); host != options.end() && host->second.find_first_of("/:,") == std::string::npos) {
    url += take("host", "", "") + take("port", ":", "");
  }
  url += take("dbname", "/", "");
  const char* separator = "?";
  for (const auto& [name, value] : options) {
    url += separator + name + "=" + Encoded(value, "-._~/,");
    separator = "&";
  }
  return url;
}

std::string Conninfo(const Options& options) {
  std::string text;
  for (const auto& [name, value] : options) {
    text += name + "='";
    for (const char c : value) {
      if (c == '\'' || c == '\\') text.push_back('\\');
      text.push_back(c);
    }
    text += "' ";
  }
  return text;
}

std::string SpoolName(const Options& options) {
  Options place;
  const OwnedOptions defaults(PQconndefaults());
  const Options usual = Said(defaults.get());
  std::string identity;
  for (const char* name : kPlace) {
    auto found = options.find(name);
    if (found == options.end() && (found = usual.find(name)) == usual.end()) continue;
    place[name] = found->second;
    // Who asks does not change the place, unless the database is named for them.
    if (name != std::string_view("user") || !place.contains("dbname")) identity += found->first + "=" + found->second + "\n";
  }
  std::string name = place["host"] + "-" + (place["dbname"].empty() ? place["user"] : place["dbname"]);
  std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)) && c != '.'; }, '-');
  name.erase(0, name.find_first_not_of("-."));
  return fmt::format("{}-{}.db", name.substr(0, 60), Sha256(identity).substr(0, 8));
}

Error WrongUrl(const char* part) {
  return WithHint(BadInput("the address of the server is wrong{}", part),
                  "expected postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full; in a password or a name / @ : ? # and % are "
                  "written %2F %40 %3A %3F %23 %25");
}

bool Holds(const Options& options, const char* name, char c) {
  const auto found = options.find(name);
  return found != options.end() && found->second.find(c) != std::string::npos;
}

/// The name of the database as it is written, or whatever a password with a / in it has put into its place.
std::string_view PathOf(std::string_view url) {
  url = url.substr(url.find("://") + 3);
  url = url.substr(0, url.find('?'));
  const size_t slash = url.find('/');
  return slash == url.npos ? std::string_view() : url.substr(slash + 1);
}

}  // namespace

bool IsFleetUrl(std::string_view db) { return db.starts_with("postgresql://") || db.starts_with("postgres://"); }

std::string FleetAddress::Redacted(std::string text) const {
  for (const std::string& secret : {password, key_password}) {
    for (size_t at = 0; !secret.empty() && (at = text.find(secret, at)) != text.npos; at += 3) {
      text.replace(at, secret.size(), "***");
    }
  }
  return text;
}

Result<FleetAddress> ParseFleetUrl(const std::string& url) {
  // libpq's own message quotes what it did not understand.
  if (url.find('\0') != url.npos) return WrongUrl("");
  const OwnedOptions parsed(PQconninfoParse(url.c_str(), nullptr));
  if (!parsed) return WrongUrl("");
  Options options = Said(parsed.get());
  // Where a password holds a / or an @ that is not encoded, its rest lands in these.
  if (const auto port = options.find("port"); port != options.end() && port->second.find_first_not_of("0123456789,") != port->second.npos) {
    return WrongUrl(": its port is no number");
  }
  if (Holds(options, "host", '@')) return WrongUrl(": there is an @ in its host");
  if (PathOf(url).find_first_of("/@") != std::string_view::npos) {
    return WrongUrl(": there is an @ or a / behind the / of its database");
  }
  FleetAddress address;
  address.password = options.contains("password") ? options["password"] : "";
  address.key_password = options.contains("sslpassword") ? options["sslpassword"] : "";
  address.shown = Shown(options);
  address.spool_name = SpoolName(options);
  for (const auto& [name, value] : kDefaults) options.emplace(name, value);
  options["client_encoding"] = "UTF8";
  address.conninfo = Conninfo(options);
  return address;
}

Result<std::string> SpoolPath(const std::string& url) {
  WEIR_TRY(const FleetAddress address, ParseFleetUrl(url));
  WEIR_TRY(const std::string data, DataDirectory());
  const std::string folder = data + "/fleet";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Failed("cannot make the folder {}: {}", folder, error.message());
  return folder + "/" + address.spool_name;
}

}  // namespace weir
