// What searches found: the largest load that a target bears.
#include "store/store.h"

namespace weir {

Status Store::AddCapacity(int64_t run, const CapacityRow& row) {
  return database_.Execute(
      "INSERT INTO capacity (run, model, target, key, objective, unit, best, broken, predicted, why, cell) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      run, row.model, row.target, row.key, row.objective, row.unit, row.best, row.broken, row.predicted,
      NullIfEmpty(row.why), row.cell);
}

Result<std::vector<CapacityRow>> Store::Capacities(int64_t run) { return ReadCapacities("a.run = ?", run); }

Result<std::vector<CapacityRow>> Store::CampaignCapacities(int64_t campaign) {
  return ReadCapacities("a.id IN (SELECT max(o.id) FROM capacity o JOIN run r ON r.id = o.run WHERE r.campaign = ? "
                        "GROUP BY o.key)",
                        campaign);
}

Result<std::vector<CapacityRow>> Store::ReadCapacities(std::string_view condition, int64_t id) {
  WEIR_TRY(Statement query,
           database_.Prepare(fmt::format(
               "SELECT a.model, a.target, a.key, a.objective, a.unit, a.best, a.broken, a.predicted, a.why, a.cell, "
               "m.name, m.quant FROM capacity a JOIN model m ON m.id = a.model WHERE {} ORDER BY a.id",
               condition)));
  query.Bind(id);
  std::vector<CapacityRow> rows;
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) {
    rows.push_back({row.Int(0), row.Text(1), row.Text(2), row.Text(3), row.Text(4), row.Real(5), row.OptionalReal(6),
                    row.OptionalReal(7), row.Text(8), row.OptionalInt(9), row.Text(10), row.Text(11)});
  }));
  return rows;
}

}  // namespace weir
