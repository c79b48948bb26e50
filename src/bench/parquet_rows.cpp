#include "bench/parquet_rows.h"

#include <deque>

#include "bench/flat_rows.h"
#include "model/text/utf8.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

constexpr ParquetType kBoolean = ParquetType::kBoolean, kInt64 = ParquetType::kInt64,
                      kDouble = ParquetType::kDouble, kString = ParquetType::kString;

struct NamedType {
  const char* name;
  ParquetType type;
};

constexpr NamedType kColumns[] = {
    {"cell", kInt64}, {"run", kInt64}, {"started_at", kString}, {"machine", kString}, {"build", kString},
    {"isa", kString}, {"model", kString}, {"quant", kString}, {"users", kInt64}, {"status", kString},
    {"reason", kString},
    {"decode_tok_s_median", kDouble}, {"decode_tok_s_peak", kDouble},
    {"decode_tok_s_ci95_low", kDouble}, {"decode_tok_s_ci95_high", kDouble},
    {"aggregate_tok_s_median", kDouble}, {"aggregate_tok_s_peak", kDouble},
    {"aggregate_tok_s_ci95_low", kDouble}, {"aggregate_tok_s_ci95_high", kDouble},
    {"ttft_ms_median", kDouble}, {"ttft_ms_p95", kDouble}, {"ttft_ms_p99", kDouble},
    {"itl_ms_median", kDouble}, {"itl_ms_p95", kDouble}, {"itl_ms_p99", kDouble},
    {"tpot_ms_median", kDouble}, {"tpot_ms_p95", kDouble}, {"tpot_ms_p99", kDouble},
    {"prefill_tok_s", kDouble}, {"peak_memory_bytes", kInt64}, {"planned_memory_bytes", kInt64},
    {"step_bytes", kInt64}, {"step_macs", kInt64}, {"limit_tok_s", kDouble}, {"roofline_share", kDouble},
    {"logits_hash", kString}, {"synthetic", kBoolean}, {"flags", kString}, {"prompt_tokens", kInt64},
    {"gen_tokens", kInt64}, {"requests_per_user", kInt64}, {"repeats", kInt64}, {"id", kInt64},
    {"target", kString}, {"foreign_tool", kString}, {"answers_hash", kString}, {"config", kString},
};

/// `texts` holds what the value points to.
ParquetValue ValueOf(const Json& json, ParquetType type, std::deque<std::string>& texts) {
  if (json.is_null()) return {};
  switch (type) {
    case kBoolean: return json.get<bool>();
    case kInt64: return json.get<int64_t>();
    case kDouble: return json.get<double>();
    case kString: break;
  }
  RepairUtf8(json.get_ref<const std::string&>(), true, &texts.emplace_back());
  return std::string_view(texts.back());
}

}  // namespace

Result<std::vector<ParquetColumn>> FlatColumns(Store& store) {
  std::vector<ParquetColumn> columns;
  for (const auto& [name, type] : kColumns) columns.push_back({name, type});
  WEIR_TRY(Statement query, store.database().Prepare("SELECT DISTINCT boundary FROM energy ORDER BY boundary"));
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) {
    for (const char* kind : {"gross", "net"}) {
      columns.push_back({fmt::format("energy_j_per_token_{}_{}", row.Text(0), kind), kDouble});
    }
  }));
  return columns;
}

Status AppendCell(const CellResult& cell, ParquetWriter& table) {
  const Json flat = FlatRow(cell);
  std::deque<std::string> texts;
  std::vector<ParquetValue> row;
  for (const ParquetColumn& column : table.columns()) {
    const auto found = flat.find(column.name);
    row.push_back(found == flat.end() ? ParquetValue() : ValueOf(*found, column.type, texts));
  }
  return table.Append(row);
}

}  // namespace weir
