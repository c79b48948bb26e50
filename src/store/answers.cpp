// Answers to the fixed questions.
#include "store/store.h"

namespace weir {

Result<int64_t> Store::AddAsked(int64_t run, const AskedRow& row) {
  WEIR_TRY(Transaction transaction, Transaction::Begin(database_));
  WEIR_TRY(const int64_t id,
           database_.Insert("INSERT INTO asked (run, model, target, named, questions, note) VALUES (?, ?, ?, ?, ?, ?)", run,
                            row.model, row.target, row.named, row.questions, NullIfEmpty(row.note)));
  for (const AnswerRow& answer : row.answers) {
    WEIR_RETURN_IF_ERROR(database_.Execute(
        "INSERT INTO answer (asked, question, text, tokens, cut, logprobs) VALUES (?, ?, ?, ?, ?, ?)", id, answer.question,
        answer.text, answer.tokens, answer.cut, NullIfEmpty(answer.logprobs)));
  }
  WEIR_RETURN_IF_ERROR(transaction.Commit());
  return id;
}

Status Store::FlagAsked(int64_t id, const Flag& flag) {
  return database_.Execute("INSERT OR REPLACE INTO flag SELECT id, ?, ? FROM cell WHERE asked = ?", flag.name, flag.detail, id);
}

Result<AskedRow> Store::Asked(int64_t id) {
  WEIR_TRY(std::vector<AskedRow> rows, ReadAsked("a.id = ?", id));
  if (rows.empty()) return BadInput("database {} has no answers with the id {}", path(), id);
  return std::move(rows.front());
}

Result<std::vector<AskedRow>> Store::AskedWith(int64_t run) {
  return ReadAsked("a.run IN (SELECT o.id FROM run r JOIN run o ON o.id = r.id OR o.campaign = r.campaign WHERE r.id = ?)", run);
}

Result<std::vector<AskedRow>> Store::ReadAsked(std::string_view condition, int64_t id) {
  WEIR_TRY(Statement query,
           database_.Prepare(fmt::format("SELECT a.id, a.model, a.target, a.named, a.questions, a.note, q.question, q.text, "
                                         "q.tokens, q.cut, q.logprobs, a.run FROM asked a LEFT JOIN answer q ON q.asked = a.id "
                                         "WHERE {} ORDER BY a.id, q.question",
                                         condition)));
  query.Bind(id);
  std::vector<AskedRow> rows;
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) {
    if (rows.empty() || rows.back().id != row.Int(0)) {
      rows.push_back({row.Int(1), row.Text(2), row.Text(3), row.Text(4), row.Text(5), {}, row.Int(0), row.Int(11)});
    }
    if (row.IsNull(6)) return;
    rows.back().answers.push_back(
        {static_cast<int>(row.Int(6)), row.Text(7), row.OptionalInt(8), row.Int(9) != 0, row.Text(10)});
  }));
  return rows;
}

}  // namespace weir
