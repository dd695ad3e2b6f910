// Who may make which call, in one table; and who a caller is.
#pragma once

#include <string_view>

#include "node/desk/users.h"

namespace tocsin::api {

struct App;
struct Route;

// What a connection and a header say of who calls. The views are good during the call.
struct Caller {
  bool owner = false;  // the home's owner on the unix socket, by SO_PEERCRED
  bool tcp = false;
  std::string_view authorization = {};
  std::string_view host = {}, origin = {};
};

// By rising rights.
enum class Least { kReader, kTrainee, kAnalyst, kAdmin, kOwner };
// What the table says; what it does not name is for admins.
Least least_of(std::string_view method, std::string_view path);
// Does such a call change something that is to be written down? Not a dry run, which the caller knows of.
bool is_act(const Route& route, const desk::Actor& actor);

// A token goes before what the socket says, so that the owner's acts can bear a name too. Errors: unauthorised; locked
// (a locked node knows no users).
Result<desk::Actor> actor_of(const App& app, const Caller& caller);
// Errors: denied.
Result<void> may_call(const Route& route, const desk::Actor& actor);
// Against pages of other sites in a browser on this machine (DNS rebinding): the Host is a loopback name, and the
// Origin, where there is one, the same. Error: wrong_host.
Result<void> check_host(const Caller& caller);

}  // namespace tocsin::api
