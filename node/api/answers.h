// Answers to contributors, as other routes show them (rule 24).
#pragma once

#include <string>

#include "node/api/app.h"
#include "node/api/http.h"
#include "protocol/replica.h"

namespace tocsin::api {

// A line of a report's history: who answered is named to members alone.
Json answer_json(App& app, const protocol::AnswerInfo& answer);
// Items of the inbox: answers that came to this organisation and were not taken off.
Json answers_waiting(App& app);
// Takes the one off whose id begins so. False: there is none, and nothing was answered to the request.
bool finish_answer(App& app, const std::string& prefix, ResponderPtr responder);

}  // namespace tocsin::api
