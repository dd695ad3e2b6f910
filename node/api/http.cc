#include "node/api/http.h"

#include <algorithm>

#include "node/reports/json_scan.h"

namespace tocsin::api {
namespace {

struct CodeStatus {
  std::string_view code;
  int status;
};
// Where the origin does not say enough.
constexpr CodeStatus kStatuses[] = {
    {"unknown_report", 404},
    {"unknown_channel", 404},
    {"unknown_peer", 404},
    {"unknown_path", 404},
    {"unknown_source", 404},
    {"unknown_operation", 404},
    {"unknown_node", 404},
    {"unknown_feed", 404},
    {"unknown_bundle", 404},
    {"bundle_for_others", 403},
    {"bundle_damaged", 422},
    {"bundle_forged", 422},
    {"bad_bundle", 422},
    {"wrong_offset", 409},
    {"nothing_for_peer", 409},
    {"not_joined", 409},
    {"already_revoked", 409},
    {"own_card", 409},
    {"not_certified", 409},
    {"readers_changed", 409},
    {"signatures_missing", 409},
    {"signatures_differ", 409},
    {"stale_request", 409},
    {"already_rotated", 409},
    {"organisation_ended", 409},
    {"wrong_next_roots", 409},
    {"method_not_allowed", 405},
    {"body_erased", 410},
    {"government_named", 409},
    {"wrong_words", 409},
    {"already_shared", 409},
    {"already_member", 409},
    {"already_withdrawn", 409},
    {"peer_in_channel", 409},
    {"id_ambiguous", 409},
    {"channel_ambiguous", 409},
    {"peer_ambiguous", 409},
    {"source_ambiguous", 409},
    {"not_chair", 409},
    {"home_unconfirmed", 409},
    {"home_confirmed", 409},
    {"ask_a_peer", 409},
    {"behind_own_log", 409},
    {"chair_revoked", 409},
    {"peer_not_verified", 409},
    {"not_a_writer", 403},
    {"not_the_author", 403},
    {"denied", 403},
    {"locked", 403},
    {"wrong_passphrase", 403},
    {"wrong_node", 409},
    {"unauthorised", 401},
    {"wrong_login", 401},
    {"wrong_host", 403},
    {"too_many_attempts", 429},
    {"unknown_user", 404},
    {"unknown_hold", 404},
    {"nothing_waits", 409},
    {"same_person", 403},
    {"changed_since", 409},
    {"not_shared_there", 409},
    {"private_stays", 409},
    {"unknown_token", 404},
    {"user_exists", 409},
    {"name_too_alike", 409},
    {"user_ambiguous", 409},
    {"users_full", 409},
    {"too_many_tokens", 409},
    {"too_large", 413},
    {"import_file_too_large", 413},
    {"too_many_requests", 429},
    {"index_busy", 429},
    {"busy", 429},
    {"invalid_report", 422},
    {"import_refused", 422},
    {"not_invited", 409},
    {"unreachable", 503},
    {"peer_blocked", 409},
    {"no_peers", 409},
    {"no_address", 409},
    {"disk_full", 507},
    {"operation_running", 409},
    {"no_alert_channel", 409},
    {"already_answered", 409},
    {"already_proposed", 409},
    {"stewards_missing", 409},
};

}  // namespace

int status_of(const Error& error) {
  for (const auto& [code, status] : kStatuses)
    if (error.code.text() == code) return status;
  switch (error.origin) {
    case Origin::kPeer:
    case Origin::kCaller:
      return 400;
    case Origin::kEnvironment:
      return 503;
    case Origin::kInternal:
      return 500;
  }
  return 500;
}

std::string problem_text(const Error& error, const Json& more) {
  std::string title(error.code.text());
  std::replace(title.begin(), title.end(), '_', ' ');
  Json problem{{"code", error.code.text()},
               {"title", title},
               {"detail", error.detail.empty() ? title : error.detail},
               {"status", status_of(error)}};
  problem.update(more);
  return problem.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void Responder::problem(const Error& error, const Json& more) {
  send({status_of(error), "application/problem+json", problem_text(error, more)});
}

constexpr int kJsonDepthMax = 32;  // a report nests six deep

Result<Json> body_object(const Request& request) {
  if (!request.body || request.body->empty()) return Json::object();
  // Depth first: neither the parser's tree nor what walks over it may be as deep as somebody likes.
  const auto begin = reports::skip_json_space(*request.body, 0);
  if (const auto fault = reports::scan_json_value(*request.body, begin, kJsonDepthMax).fault)
    return caller_error(fault->code, reports::json_fault_detail(fault->code) + ", at " +
                                         reports::json_place(*request.body, fault->offset));
  auto value = Json::parse(*request.body, nullptr, false);
  if (!value.is_object()) return caller_error(Code{"bad_json"}, "the body must be one JSON object");
  return value;
}

Result<std::string> text_field(const Json& object, std::string_view name) {
  const auto found = object.find(std::string(name));
  if (found == object.end() || found->is_null())
    return caller_error(Code{"missing_field"}, "the field " + std::string(name) + " is missing");
  if (!found->is_string()) return caller_error(Code{"wrong_type"}, "the field " + std::string(name) + " must be text");
  return found->get<std::string>();
}

std::string text_or(const Json& object, std::string_view name, std::string_view otherwise) {
  const auto found = object.find(std::string(name));
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string(otherwise);
}

Result<void> only_fields(const Json& object, std::initializer_list<std::string_view> names) {
  for (const auto& [key, value] : object.items())
    if (std::find(names.begin(), names.end(), key) == names.end())
      return caller_error(Code{"unknown_field"}, "there is no field " + key.substr(0, 64) + " here");
  return kOk;
}

}  // namespace tocsin::api
