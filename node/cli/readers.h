// Who can read a report and where it is, in words that a person knows.
#pragma once

#include "node/cli/context.h"

namespace tocsin::cli {

// The answer's `readers` and its `warnings` (rule 53): a government of a country that the report names is among them.
int show_readers(Context& context, const Json& answer);
// As a table: which nodes were asked to erase a report, and what each has said.
void show_withdrawal(const Context& context, const Json& withdrawal);
// In a table: the channel ids in that list become names. The other modes keep the ids.
void name_channels(Context& context, Json& answer, std::string_view list = "channels");
// Adds `warnings` (rule 53) to an answer with `readers`, from what sharing would say of the channels that they read.
// False when the node gave a problem, which has been printed.
bool add_reader_warnings(Context& context, const std::string& report, Json& answer);

}  // namespace tocsin::cli
