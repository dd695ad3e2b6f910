#include "node/host/home_watch.h"

namespace tocsin::host {

HomeWatch::HomeWatch(store::Home& home, protocol::Replica& replica, Log& log,
                     std::function<void(const std::optional<protocol::NodeId>&)> confirmed)
    : home_(home), replica_(replica), log_(log), confirmed_(std::move(confirmed)) {}

// A home in doubt that stands where the doubt began goes on with it; a copy of that one begins a doubt of its own. A
// record that cannot be read proves nothing, so it is doubted, too.
Result<void> HomeWatch::look() {
  TOCSIN_ASSIGN(current, home_.current_machine());
  const Bytes here = to_bytes(as_bytes(store::to_text(current)));
  if (const auto doubted = replica_.doubted_home()) {
    if (*doubted == here) return kOk;
  } else if (const auto recorded = home_.recorded_machine(); recorded && *recorded == current) {
    return kOk;
  }
  log_.warning(Code{"home_in_doubt"});
  replica_.doubt_home(here, nullptr);
  return kOk;
}

std::vector<std::string> HomeWatch::warnings() const {
  if (!replica_.home_in_doubt()) return {};
  const auto recorded = home_.recorded_machine();
  const auto current = home_.current_machine();
  std::string what;
  if (recorded && current)
    for (const auto& difference : store::differences(*recorded, *current))
      what += (what.empty() ? " (" : ", ") + difference;
  if (!what.empty()) what += ")";
  return {"this home was made elsewhere" + what +
          ": until a peer has confirmed that nothing newer was signed under its name, reports wait, channels that it "
          "leads stand still, and alerts alone go out. Let it meet a peer (tocsin sync now); a node that shares no "
          "channel with anybody: tocsin doctor --confirm-home. If the original still runs anywhere, stop one of the "
          "two"};
}

void HomeWatch::on_home_confirmed(const std::optional<protocol::NodeId>& by) {
  // Without it the next start doubts once more, and nothing is lost by that.
  if (auto recorded = home_.record_machine(); !recorded)
    log_.warning(Code{"home_not_recorded"}, {{"reason", recorded.error().code}});
  if (by)
    log_.info(Code{"home_confirmed"}, {{"peer", *by}});
  else
    log_.info(Code{"home_confirmed"});
  confirmed_(by);
}

}  // namespace tocsin::host
