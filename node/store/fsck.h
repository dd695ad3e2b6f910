// Walks the whole store and says what does not fit. Inside node/store only; see Store::fsck.
#pragma once

#include "node/store/database.h"
#include "node/store/store.h"

namespace tocsin::store {

Result<FsckReport> check_database(Database& database, const FsckChecks& checks);

}  // namespace tocsin::store
