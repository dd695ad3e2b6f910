// bundle export, import and show.
#include "node/api/bundles.h"
#include "node/api/router.h"
#include "node/api/views.h"
#include "node/desk/file_kind.h"

namespace tocsin::api {
namespace {

using namespace protocol;

constexpr std::int64_t kReceiptRetryMs = 50;
constexpr int kReceiptTries = 20;

Bundles& bundles_of(App& app) {
  if (!app.bundles) app.bundles = std::make_shared<Bundles>();
  return *app.bundles;
}

std::string new_id(Bundles& bundles) {
  std::array<std::uint8_t, 16> bytes;
  bundles.random.fill(bytes);
  return to_hex(bytes);
}

// Room for one more: the one that was left alone longest gives way.
template <class T>
Result<void> make_room(App& app, std::map<std::string, T>& open) {
  if (open.size() < kBundlesOpenMax) return kOk;
  const auto oldest =
      std::min_element(open.begin(), open.end(), [](auto& a, auto& b) { return a.second.used_ms < b.second.used_ms; });
  if (app.desk.clock().steady_ms() - oldest->second.used_ms < kBundleIdleMs) {
    return caller_error(Code{"busy"}, "as many bundles as may be are being read or written; try again in a minute");
  }
  open.erase(oldest);
  return kOk;
}

// ---- Out

Json channels_json(App& app, const std::vector<BundlePlan>& plans) {
  Json out = Json::array();
  for (const BundlePlan& plan : plans) {
    for (std::size_t i = 0; i < plan.channels.size(); ++i) {
      std::uint64_t entries = 0;
      for (const BundleRange& range : plan.ranges)
        if (range.channel == i) entries += range.last.value + 1 - range.first.value;
      const auto channel = app.replica().channel(plan.channels[i]);
      out.push_back({{"channel_id", hex(plan.channels[i])},
                     {"name", channel ? channel->name : std::string()},
                     {"entries", entries}});
    }
  }
  return out;
}

Json plan_json(App& app, const std::vector<BundlePlan>& plans) {
  std::uint64_t entries = 0, mail = 0, nodes = 0, certificate_keys = 0;
  for (const BundlePlan& plan : plans) {
    entries += plan.entries;
    mail += plan.mail.size();
    nodes = std::max<std::uint64_t>(nodes, plan.targets.size());
    certificate_keys = std::max<std::uint64_t>(certificate_keys, plan.certificate_keys);
  }
  Json warnings = Json::array();
  if (certificate_keys > 0)
    warnings.push_back("no fresh prekey of " + std::to_string(certificate_keys) +
                       (certificate_keys == 1 ? " node" : " nodes") +
                       ": the certificate's key was used, which is kept for longer");
  const auto& recipient = plans.front().recipient;
  return {
      {"for", recipient ? Json{{"org_id", hex(*recipient)}, {"name", app.desk.org_name(*recipient)}} : Json(nullptr)},
      {"channels", channels_json(app, plans)},
      {"entries", entries},
      {"mail", mail},
      {"nodes", nodes},
      {"warnings", warnings}};
}

void open_export(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"channels", "for", "all"}); !fine) return responder->problem(fine.error());
  const auto names = body->find("channels");
  if (names == body->end() || !names->is_array() || names->empty() || names->size() > kChannelsMax)
    return responder->problem(caller_error(Code{"missing_field"}, "channels is a list of at least one channel"));
  BundleRequest wanted;
  for (const auto& name : *names) {
    if (!name.is_string()) return responder->problem(caller_error(Code{"wrong_type"}, "a channel is a text"));
    auto channel = app.desk.find_channel(name.get<std::string>());
    if (!channel) return responder->problem(channel.error());
    wanted.channels.push_back(*channel);
  }
  if (const auto name = text_or(*body, "for"); !name.empty()) {
    auto org = app.desk.find_org(name);
    if (!org) return responder->problem(org.error());
    wanted.recipient = *org;
  }
  if (const auto all = body->find("all"); all != body->end()) {
    if (!all->is_boolean()) return responder->problem(caller_error(Code{"wrong_type"}, "all is true or false"));
    wanted.all = all->get<bool>();
  }
  auto plans = plan_bundles(app.replica(), wanted);
  if (!plans) return responder->problem(plans.error());
  auto out = plan_json(app, *plans);
  if (request.dry_run) return responder->json(out);
  auto& bundles = bundles_of(app);
  if (auto room = make_room(app, bundles.exports); !room) return responder->problem(room.error());
  const auto id = new_id(bundles);
  bundles.exports[id] = {std::move(*plans), app.desk.clock().steady_ms()};
  out["id"] = id;
  std::vector<std::string> audited;
  for (const auto& channel : wanted.channels) audited.push_back(hex(channel));
  if (wanted.recipient) audited.push_back(hex(*wanted.recipient));
  audit(app, request.actor, "Export a bundle", std::move(audited), AuditOutcome::kDone,
        [responder, out = std::move(out)] { responder->json(out, 201); });
}

// After a failure in the middle the connection is cut without its end: the reader sees that the file is not whole.
void write_on(const std::shared_ptr<BundleWriter>& writer, const ResponderPtr& responder) {
  Bytes out;
  bool more = true;
  while (more && out.size() < kBundleWriteBytes) {
    auto polled = writer->poll(out);
    if (!polled) return;
    more = *polled;
  }
  responder->write(std::string(as_text(out)), [writer, responder, more](bool go_on) {
    if (!go_on) return;
    if (!more) return responder->end();
    write_on(writer, responder);
  });
}

// The first receipt of a channel waits for a counter that is durable; a moment later it is there.
bool receipts_are_ready(App& app, const std::vector<BundlePlan>& plans) {
  for (const BundlePlan& plan : plans)
    for (const ChannelId& channel : plan.channels)
      if (!app.replica().own_receipt(channel)) return false;
  return true;
}

void begin_export(App& app, const std::shared_ptr<std::vector<BundlePlan>>& plans, const ResponderPtr& responder,
                  int tries) {
  if (tries > 0 && !receipts_are_ready(app, *plans))
    return app.later(kReceiptRetryMs,
                     [&app, plans, responder, tries] { begin_export(app, plans, responder, tries - 1); });
  auto writer =
      std::make_shared<BundleWriter>(app.replica(), bundles_of(app).random, app.desk.clock().now(), std::move(*plans));
  responder->begin(200, "application/octet-stream");
  write_on(writer, responder);
}

void read_export(App& app, const Request& request, ResponderPtr responder) {
  auto& bundles = bundles_of(app);
  const auto found = bundles.exports.find(request.params[0]);
  if (found == bundles.exports.end())
    return responder->problem(caller_error(Code{"unknown_bundle"}, "no such export is open; it is read once"));
  const auto plans = std::make_shared<std::vector<BundlePlan>>(std::move(found->second.plans));
  bundles.exports.erase(found);
  begin_export(app, plans, responder, kReceiptTries);
}

// ---- In

Json summary_json(App& app, const BundleImport& import) {
  const BundleSummary& summary = import.reader->summary();
  Json channels = Json::array(), refused = Json::array(), from = Json::array();
  for (const auto& [id, counted] : summary.channels) {
    const auto channel = app.replica().channel(id);
    channels.push_back({{"channel_id", hex(id)},
                        {"name", channel ? channel->name : std::string()},
                        {"entries", counted.entries},
                        {"known", counted.known}});
  }
  for (const auto& [code, count] : summary.refused) refused.push_back({{"code", code}, {"count", count}});
  for (const BundleOpening& opening : summary.openings) {
    from.push_back({{"org_id", hex(opening.org)},
                    {"name", app.desk.org_name(opening.org)},
                    {"node_id", hex(opening.node)},
                    {"made", time_text(opening.made)},
                    {"for_members", !opening.recipient.has_value()}});
  }
  Json out = {{"entries", summary.entries}, {"known", summary.known},
              {"bytes", summary.bytes},     {"mail", summary.mail},
              {"channels", channels},       {"from", from},
              {"bundles", summary.opened},  {"for_others", summary.for_others},
              {"refused", refused},         {"complete", summary.complete}};
  if (!import.look) return out;
  Json logs = Json::array();
  for (const BundleLog& log : summary.logs) {
    const auto owner = app.replica().reading_table().feed_owner(log.log);
    const bool organisation = log.type == LogType::kOrganisation;
    const auto author = organisation ? app.desk.org_name(OrgId{log.log.bytes()})
                        : owner      ? app.desk.org_name(owner->org)
                                     : std::string();
    logs.push_back({{"channel_id", log.channel ? Json(hex(*log.channel)) : Json(nullptr)},
                    {"log", hex(log.log)},
                    {"type", organisation                    ? "organisation"
                             : log.type == LogType::kControl ? "control"
                                                             : "feed"},
                    {"author", author},
                    {"first", log.first.value},
                    {"last", log.last.value}});
  }
  out["logs"] = logs;
  out["logs_left_out"] = summary.logs_left_out;
  return out;
}

void answer_end(App& app, const BundleImport& import, Responder& responder) {
  const BundleSummary& summary = import.reader->summary();
  if (!summary.error) {
    auto out = summary_json(app, import);
    if (summary.refused.contains("wrong_number")) {
      out["detail"] = "some of it begins above what is held here; have the bundle made again with --all";
    } else if (!summary.refused.empty()) {
      out["detail"] =
          "what was refused is not stored; all else is. It may be taken later, from a newer bundle or a sync";
    }
    return responder.json(out, summary.refused.empty() ? 200 : 207);
  }
  const Error& error = *summary.error;
  if (error.code == kNotABundle && import.other_kind) return responder.problem(*import.other_kind);
  // Whom it is for, and what is in it, is not for this node to know.
  if (error.code == kBundleForOthers) return responder.problem(error);
  auto more = summary_json(app, import);
  if (error.code != kBundleCut) return responder.problem(error, more);
  more["code"] = error.code.text();
  more["detail"] = error.detail;
  responder.json(more, 207);
}

// Who brought it, and for which channels: what was taken stays in any case. Then `then`.
void audit_import(App& app, const BundleImport& import, std::function<void()> then) {
  const BundleSummary& summary = import.reader->summary();
  if (import.look || summary.openings.empty()) return then();
  std::vector<std::string> names;
  for (const BundleOpening& opening : summary.openings) names.push_back(hex(opening.org));
  for (const auto& [id, counted] : summary.channels) names.push_back(hex(id));
  const bool whole = !summary.error && summary.refused.empty();
  audit(app, import.actor, "Import a bundle", std::move(names), whole ? AuditOutcome::kDone : AuditOutcome::kPartial,
        std::move(then));
}

// As far as it goes now. `id` may be gone.
void go_on(App& app, const std::string& id) {
  auto& imports = bundles_of(app).imports;
  const auto found = imports.find(id);
  if (found == imports.end() || !found->second.waits) return;
  BundleImport& import = found->second;
  const auto state = import.reader->run();
  if (state == BundleReader::State::kWait) return;
  const auto responder = std::exchange(import.waits, nullptr);
  import.used_ms = app.desk.clock().steady_ms();
  if (state == BundleReader::State::kMore) return responder->json({{"taken", import.taken}});
  // Out of the list first: what is written down meanwhile takes its time.
  const auto ended = std::make_shared<BundleImport>(std::move(import));
  imports.erase(found);
  audit_import(app, *ended, [&app, ended, responder] { answer_end(app, *ended, *responder); });
}

void open_import(App& app, const Request& request, ResponderPtr responder) {
  auto& bundles = bundles_of(app);
  if (auto room = make_room(app, bundles.imports); !room) return responder->problem(room.error());
  const auto id = new_id(bundles);
  BundleImport begun;  // a line that begins with "import" is a module's to clang-format
  begun.actor = request.actor;
  begun.look = request.dry_run || request.get("look") == "true";
  begun.used_ms = app.desk.clock().steady_ms();
  const auto use = begun.look ? BundleReader::Use::kLook : BundleReader::Use::kTake;
  begun.reader =
      std::make_unique<BundleReader>(app.replica(), use, [&app, id] { app.post([&app, id] { go_on(app, id); }); });
  bundles.imports[id] = std::move(begun);
  responder->json({{"id", id}, {"taken", 0}}, 201);
}

BundleImport* free_import(App& app, const Request& request, const ResponderPtr& responder) {
  auto& imports = bundles_of(app).imports;
  const auto found = imports.find(request.params[0]);
  if (found == imports.end()) {
    responder->problem(caller_error(Code{"unknown_bundle"}, "no such import is open: it has ended, or was left alone"));
    return nullptr;
  }
  if (found->second.waits) {
    responder->problem(caller_error(Code{"operation_running"}, "the piece before is still being taken"));
    return nullptr;
  }
  return &found->second;
}

void put_piece(App& app, const Request& request, ResponderPtr responder) {
  BundleImport* import = free_import(app, request, responder);
  if (!import) return;
  if (request.get("offset") != std::to_string(import->taken))
    return responder->problem(caller_error(
        Code{"wrong_offset"}, "the next piece begins at byte " + std::to_string(import->taken) + " of the file"));
  if (import->taken == 0)
    if (auto fine = desk::expect_kind(desk::FileKind::kBundle, as_bytes(*request.body)); !fine)
      import->other_kind = fine.error();
  import->waits = std::move(responder);
  import->taken += request.body->size();
  import->reader->give(as_bytes(*request.body));
  go_on(app, request.params[0]);
}

void end_import(App& app, const Request& request, ResponderPtr responder) {
  BundleImport* import = free_import(app, request, responder);
  if (!import) return;
  import->waits = std::move(responder);
  import->reader->end();
  go_on(app, request.params[0]);
}

void drop_import(App& app, const Request& request, ResponderPtr responder) {
  if (!free_import(app, request, responder)) return;
  bundles_of(app).imports.erase(request.params[0]);
  responder->json({{"removed", request.params[0]}});
}

}  // namespace

void add_bundle_routes(std::vector<Route>& out) {
  out.push_back({"POST", "/bundles/exports", "Say what a bundle would hold, and open it", {}, open_export, true});
  out.push_back({"GET", "/bundles/exports/{export}", "The file of an open bundle, once", {}, read_export});
  out.push_back({"POST", "/bundles/imports", "Begin to take a bundle, or to look at one", {"look"}, open_import, true});
  out.push_back({.method = "POST",
                 .path = "/bundles/imports/{import}",
                 .summary = "The next piece of the file, at most 1 MiB",
                 .parameters = {"offset"},
                 .handler = put_piece,
                 .takes_dry_run = true,
                 .body_bytes_max = kBundlePieceMax});
  out.push_back({"POST", "/bundles/imports/{import}/end", "The file has no more", {}, end_import, true});
  out.push_back({"DELETE", "/bundles/imports/{import}", "Stop; what was taken stays", {}, drop_import});
}

}  // namespace tocsin::api
