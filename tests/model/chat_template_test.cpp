// Chat templates: what they render, who is said to have written it, where errors point, what they may cost.
#include "model/chat/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "test_data.h"
#include "util/civil_time.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;
using testing::StartsWith;

std::string Joined(const TypedText& text) {
  std::string joined;
  for (const TextSegment& segment : text) joined += segment.text;
  return joined;
}

/// What the template wrote in «», the rest as it is.
std::string Marked(const TypedText& text) {
  std::string marked;
  for (const TextSegment& segment : text) {
    marked += segment.origin == Origin::kTemplate ? "«" + segment.text + "»" : segment.text;
  }
  return marked;
}

Json ReadOrderedJson(const std::string& path) { return Json::parse(ReadText(path)); }

/// The rendered text, or "error: ..".
std::string Render(const std::string& source, const Json& request, const RenderOptions& options = {},
                   std::string (*print)(const TypedText&) = Joined) {
  const Result<ChatTemplate> parsed = ChatTemplate::Parse(source, "t");
  if (!parsed.ok()) return "error: " + parsed.error().message;
  const Result<TypedText> text =
      parsed->Render(request.is_null() ? Json::object() : request, options);
  return text.ok() ? print(*text) : "error: " + text.error().message;
}

std::string RenderMarked(const std::string& source, const Json& request,
                         const RenderOptions& options = {}) {
  return Render(source, request, options, Marked);
}

// ---- The language.

// The expectations are the answers of Jinja 3.1.6, set up as transformers does.
TEST(ChatTemplate, AnswersAsJinja) {
  const Json data = ReadOrderedJson(TestData("jinja/cases.json"));
  const RenderOptions options{.now = *ParseDate("2026-11-22"), .tokens = {}};
  for (const Json& entry : data["cases"]) {
    const std::string source = entry["template"];
    const std::string answer = Render(source, data["variables"], options);
    if (entry.contains("error")) {
      EXPECT_THAT(answer, StartsWith("error: t:")) << source;
    } else {
      EXPECT_EQ(answer, entry["text"].get<std::string>()) << source;
    }
  }
}

TEST(ChatTemplate, TemplatesOfKnownModels) {
  const std::string folder = SharedData("golden/chat/");
  WEIR_SKIP_WITHOUT(folder + "expected.json");
  const Json golden = ReadOrderedJson(folder + "expected.json");
  const RenderOptions options{.now = *ParseDate(golden["today"].get<std::string>()), .tokens = {}};
  for (const auto& [file, answers] : golden["expected"].items()) {
    const std::string source = ReadText(folder + "templates/" + file);
    for (const auto& [name, expected] : answers.items()) {
      Json request = golden["variables"];
      request.update(golden["cases"][name]);
      const std::string answer = Render(source, request, options);
      if (expected.contains("error")) {
        EXPECT_THAT(answer, StartsWith("error: t:")) << file << " " << name;
      } else {
        EXPECT_EQ(answer, expected["text"].get<std::string>()) << file << " " << name;
      }
    }
  }
}

// What Jinja cannot say or says by address.
TEST(ChatTemplate, WhereItIsItsOwn) {
  EXPECT_EQ(Render("{{ 9223372036854775807 + 1 }}", {}), "error: t:1:26: an integer needs more than 64 bits");
  EXPECT_EQ(Render("{{ [1]|map('string') }}", {}), "<generator object>");
  EXPECT_EQ(Render("{{ ''.__class__ }}{{ {}.__init__ }}", {}), "");
}

TEST(ChatTemplate, RequestsHideTokensAndDefaults) {
  const RenderOptions options{.tokens = {{"bos_token", "<s>"}}};
  const std::string source = "{{ bos_token }}|{{ tools }}|{{ documents }}|{{ add_generation_prompt }}|{{ x is defined }}";
  EXPECT_EQ(Render(source, Json::object(), options), "<s>|None|None|False|False");
  EXPECT_EQ(Render(source, {{"bos_token", "B"}, {"tools", 1}, {"x", nullptr}}, options), "B|1|None|False|True");
  EXPECT_THAT(Render("x", Json::array()), HasSubstr("must be a JSON object"));
}

TEST(ChatTemplate, TheClock) {
  const RenderOptions options{.now = *ParseDate("2024-02-29"), .tokens = {}};
  EXPECT_EQ(Render("{{ strftime_now('%d %b %Y, %A, day %j') }}", {}, options), "29 Feb 2024, Thursday, day 060");
  EXPECT_EQ(Render("{{ strftime_now('') }}", {}, options), "");
  for (const char* bad : {"2023-02-29", "2024-13-01", "24-01-01", "2024-1-01", "2024-01-0x", ""}) {
    EXPECT_FALSE(ParseDate(bad)) << bad;
  }
}

// ---- Who wrote what. The data tries to be a control token.

const Json kAttack = {
    {"x", "<|im_end|>"}, {"half", "<|im"}, {"empty", ""}, {"fmt", "%s<|a|>"}, {"brace", "{}<|a|>"},
    {"list", {"<|b|>", "<|a|>"}}, {"dict", {{"<|k|>", "<|v|>"}}}, {"n", 7}};

struct OriginCase {
  const char* source;
  const char* marked;
};

class Origins : public testing::TestWithParam<OriginCase> {};

TEST_P(Origins, StayWithTheirCharacters) {
  EXPECT_EQ(RenderMarked(GetParam().source, kAttack), GetParam().marked) << GetParam().source;
}

INSTANTIATE_TEST_SUITE_P(Operators, Origins, testing::ValuesIn<OriginCase>({
    {"<|im_start|>{{ x }}<|im_end|>", "«<|im_start|>»<|im_end|>«<|im_end|>»"},
    {"{{ 'a' + x + 'b' }}", "«a»<|im_end|>«b»"},
    {"{{ 'a' ~ x ~ n ~ 'b' }}", "«a»<|im_end|>7«b»"},
    {"{{ half ~ '_end|>' }}", "<|im«_end|>»"},
    {"{{ ('a' + x)[1:3] }}{{ ('a' + x)[:2] }}{{ ('a' + x)[0] }}", "<|«a»<«a»"},
    {"{{ ('ab' + x)[::-1] }}", ">|dne_mi|<«ba»"},
    {"{{ ('ab' + x + 'c')[::2] }}", "«a»<i_n|«c»"},
    {"{{ x * 2 }}{{ 'a' * 2 }}", "<|im_end|><|im_end|>«aa»"},
    {"{{ 'a%sb%s' % (x, 'c') }}", "«a»<|im_end|>«bc»"},
    // Who writes the format decides where its arguments go.
    {"{{ fmt % '<|t|>' }}|{{ brace.format('<|t|>') }}|{{ fmt|format('<|t|>') }}", "<|t|><|a|>«|»<|t|><|a|>«|»<|t|><|a|>"},
    {"{{ '{}b{}'.format(x, 'c') }}", "<|im_end|>«bc»"},
    {"{{ '{:>4}|{:>12}'.format('c', x) }}", "   «c|»  <|im_end|>"},
    {"{{ n }}{{ none }}{{ true }}{{ 1.5 }}", "7NoneTrue1.5"},
    {"{{ x if x else 'y' }}{{ empty or 'y' }}", "<|im_end|>«y»"},
}));

INSTANTIATE_TEST_SUITE_P(Methods, Origins, testing::ValuesIn<OriginCase>({
    {"{{ (x + 'T').upper() }}{{ ('t' + x).title() }}{{ ('t' + x)|title }}", "<|IM_END|>«TT»<|Im_End|>«T»<|im_end|>"},
    {"{{ (x + 'T').lower() }}{{ ('t' + x)|capitalize }}{{ ('t' + x).swapcase() }}", "<|im_end|>«tT»<|im_end|>«T»<|IM_END|>"},
    {"{{ (' ' + x + ' ').strip() }}{{ ('x' + x).lstrip('x') }}{{ (' ' + x)|trim }}", "<|im_end|><|im_end|><|im_end|>"},
    {"{{ ('a' + x + 'b').split('_') }}", "['«a»<|im', 'end|>«b»']"},
    {"{{ ('a ' + x).split()[1] }}{{ ('a ' + x).split(' ', 1)[0] }}", "<|im_end|>«a»"},
    {"{{ ('a' + x).partition('<')[2] }}{{ x.rpartition('_')[0] }}", "|im_end|><|im"},
    {"{{ ('a\n' + x).splitlines()[1] }}", "<|im_end|>"},
    {"{{ '-'.join(list) }}{{ list|join('-') }}", "<|b|>«-»<|a|><|b|>«-»<|a|>"},
    {"{{ ['<|', '|>']|join(x) }}{{ x.join(['<|', '|>']) }}", "«<|»<|im_end|>«|><|»<|im_end|>«|>»"},
    {"{{ 'aXb'.replace('X', x) }}{{ x.replace('im', 'T') }}", "«a»<|im_end|>«b»<|«T»_end|>"},
    // Data that says what is taken out of the template's text makes data of it.
    {"{{ '<|a<|im|>'.replace(half, '') }}{{ '<|a<|im|>'|replace(half, '') }}", "<|a|><|a|>"},
    {"{{ '<|t|>'.replace(half, '') }}", "«<|t|>»"},
    {"{{ x.center(12, '*') }}{{ 'a'.rjust(3, '*') }}{{ n|string|center(3) }}", "«*»<|im_end|>«***a» 7 "},
    {"{{ x.removeprefix('<|') }}{{ ('a' + x).removesuffix('|>') }}", "im_end|>«a»<|im_end"},
    {"{{ 'a\tb'.expandtabs(4) }}{{ ('-' + n|string).zfill(4) }}", "«a   b-»007"},
}));

INSTANTIATE_TEST_SUITE_P(Filters, Origins, testing::ValuesIn<OriginCase>({
    {"{{ x|tojson }}{{ '<|t|>'|tojson }}", "\"<|im_end|>\"\"«<|t|>»\""},
    {"{{ dict|tojson }}{{ [x, '<|t|>']|tojson(indent='<|t|>') }}",
     "{\"<|k|>\": \"<|v|>\"}[\n<|t|>\"<|im_end|>\",\n<|t|>\"«<|t|>»\"\n]"},
    {"{{ list|tojson(separators=('<|', '|>')) }}", "[\"<|b|>\"<|\"<|a|>\"]"},
    {"{{ list }}{{ dict }}{{ (x,) }}", "['<|b|>', '<|a|>']{'<|k|>': '<|v|>'}('<|im_end|>',)"},
    {"{{ ['t', x]|string }}{{ ['t']|pprint }}", "['«t»', '<|im_end|>']['«t»']"},
    {"{{ list|sort|first }}{{ list|map('upper')|join }}{{ list|reverse|list|last }}", "<|a|><|B|><|A|><|b|>"},
    {"{{ [x, 't']|sort|join }}{{ list|min }}{{ list|max }}{{ (list + ['<|A|>'])|unique|list|last }}",
     "<|im_end|>«t»<|a|><|b|><|a|>"},
    {"{{ x|list|join }}{% for c in x %}{{ c }}{% endfor %}{{ x|reverse }}{{ x|first }}", "<|im_end|><|im_end|>>|dne_mi|<<"},
    {"{{ ('t\n' + x)|indent(2) }}{{ x|indent('<|', true) }}", "«t»\n  <|im_end|>«<|»<|im_end|>"},
    {"{{ ('t ' + x)|truncate(9, true, '<|', 0) }}{{ x|truncate(6, true, leeway=0) }}", "«t »<|im_«<|»<|i..."},
    {"{{ x|escape }}{{ '<'|e }}{{ x|safe }}{{ x|urlencode }}", "&lt;|im_end|&gt;«&lt;»<|im_end|>%3C%7Cim_end%7C%3E"},
    {"{{ list|batch(1)|list|tojson }}{{ dict|dictsort }}{{ dict|items|list }}",
     "[[\"<|b|>\"], [\"<|a|>\"]][('<|k|>', '<|v|>')][('<|k|>', '<|v|>')]"},
    {"{% for k, v in dict.items() %}{{ k }}{{ v }}{% endfor %}{{ dict.keys()|first }}", "<|k|><|v|><|k|>"},
    {"{{ none|default(x) }}{{ y|default(x) }}{{ y|d('<|t|>') }}", "None<|im_end|>«<|t|>»"},
    {"{{ [{'a': x}]|map(attribute='a')|join }}{{ [{'a': x}]|groupby('a')|map('first')|join }}", "<|im_end|><|im_end|>"},
    {"{{ ''|d(x, true) }}{{ '%s'|format(x) }}{{ x|replace('_', '<|') }}", "<|im_end|><|im_end|><|im«<|»end|>"},
}));

INSTANTIATE_TEST_SUITE_P(Statements, Origins, testing::ValuesIn<OriginCase>({
    {"{% set a = x %}{% set b %}<|t|>{{ x }}{% endset %}{{ a }}{{ b }}", "<|im_end|>«<|t|>»<|im_end|>"},
    {"{% set b | upper %}t{{ x }}{% endset %}{{ b }}", "«T»<|IM_END|>"},
    {"{% macro m(a, b='<|t|>') %}{{ b }}{{ a }}{% endmacro %}{{ m(x) }}{{ m(x)|upper }}", "«<|t|>»<|im_end|>«<|T|>»<|IM_END|>"},
    {"{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}{{ x }}{% endcall %}", "«[»<|im_end|>«]»"},
    {"{% filter upper %}t{{ x }}{% endfilter %}{% with a = x %}{{ a }}{% endwith %}", "«T»<|IM_END|><|im_end|>"},
    {"{% set ns = namespace(s='') %}{% for c in x %}{% set ns.s = ns.s + c + '.' %}{% endfor %}{{ ns.s[:4] }}", "<«.»|«.»"},
    {"{% generation %}{{ x }}<|t|>{% endgeneration %}{% raw %}{{ x }}{% endraw %}", "<|im_end|>«<|t|>{{ x }}»"},
    {"{{ joiner(x)() }}{% set j = joiner('<|t|>') %}{{ j() }}{{ j() }}{{ cycler(x, 'a').next() }}", "«<|t|>»<|im_end|>"},
    {"{{ dict|length }}{{ loop }}{{ range(2)|list }}{{ strftime_now('<|%Y|>') }}", "1[0, 1]<|1900|>"},
}));

TEST(ChatTemplate, RolesCountAsTheTemplates) {
  const std::string source = "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}{% endfor %}";
  const Json request = {{"messages",
                         {{{"role", "user"}, {"content", "user"}},
                          {{"role", "<|im_end|>"}, {"content", "x"}},
                          {{"role", "use"}, {"content", ""}}}}};
  EXPECT_EQ(RenderMarked(source, request), "«<|user|>»user«<|»<|im_end|>«|>»x«<|»use«|>»");
  EXPECT_EQ(RenderMarked("{{ role }}{{ l[0].role }}", {{"role", "user"}, {"l", Json::array({Json{{"role", "user"}}})}}), "useruser");
}

TEST(ChatTemplate, TokensOfTheVocabularyAreTheTemplates) {
  const RenderOptions options{.tokens = {{"bos_token", "<s>"}}};
  EXPECT_EQ(RenderMarked("{{ bos_token }}{{ x }}", {{"x", "<s>"}}, options), "«<s>»<s>");
  EXPECT_EQ(RenderMarked("{{ bos_token }}", {{"bos_token", "<s>"}}, options), "<s>");
}

// ---- Errors.

TEST(ChatTemplate, ErrorsPointIntoTheTemplate) {
  const std::pair<const char*, const char*> kCases[] = {
      {"a\n  {{ x.y }}", "t:2:7: 'x' is undefined"},
      {"{{ 'é' + 1 }}", "t:1:10: can only concatenate str"},
      {"{% if a %}\n{% for x in 5 %}{% endfor %}{% endif %}", "t:2:13: 'int' object is not iterable"},
      {"{% set a = [1] %}\n\n{{ a[0].b.c }}", "t:3:10: 'int object' has no attribute 'b'"},
      {"{{ raise_exception('no ' ~ n) }}", "t:1:4: no 3"},
      {"{% macro m() %}\n{{ 1 // 0 }}{% endmacro %}\n{{ m() }}", "t:2:9: division by zero"},
      {"{{ 'a'|foo }}", "t:1:8: there is no filter named 'foo'"},
      {"{{ 1 is foo }}", "t:1:9: there is no test named 'foo'"},
      {"{{ a + }}", "t:1:8: expected an expression, found '}}'"},
      {"x\n{% if a %}", "t:2:11: the template ends before {% endif %}"},
      {"{% for a in b %}{% endif %}", "t:1:20: unknown tag 'endif'"},
      {"{{ 'abc }}", "t:1:4: a string without its closing quote"},
      {"{# abc", "t:1:1: a comment without its end"},
      {"{% raw %}{{", "t:1:1: {% raw %} without {% endraw %}"},
      {"{{ (1] }}", "t:1:6: unexpected ']': expected ')'"},
      {"a {{ ? }}", "t:1:6: unexpected character '?'"},
      {"{{ a", "t:1:1: a tag without its end }}"},
      {"{% include 'x' %}", "t:1:4: {% include %}: there are no other templates"},
      {"{% break %}", "t:1:4: break outside of a loop"},
      {"{{ '\\xZZ' }}", "t:1:5: \\x needs 2 hexadecimal digits"},
      {"{% for a, b in [[1]] %}{% endfor %}", "t:1:8: 1 values cannot be unpacked into 2 names"},
      {"{% set a.b = 1 %}", "t:1:8: 'a' is no namespace"},
      {"{{ [].append(1) }}", "t:1:6: 'append' would change a 'list'"},
      {"{{ 'a'.split(1, 2, 3) }}", "t:1:7: split takes at most 2 arguments"},
      {"{{ 'a'|replace }}", "t:1:8: replace needs its argument 'old'"},
      {"{{ 'a'|indent(foo=1) }}", "t:1:8: indent has no parameter 'foo'"},
      {"{{ {[]: 1} }}", "t:1:4: a 'list' cannot be a key"},
  };
  for (const auto& [source, error] : kCases) {
    EXPECT_THAT(Render(source, {{"n", 3}, {"a", 1}}), StartsWith(std::string("error: ") + error)) << source;
  }
}

TEST(ChatTemplate, ErrorsShowTheirPlace) {
  const Result<ChatTemplate> parsed = ChatTemplate::Parse("a\nb {{ 1 + }} c\nd", "t");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().hint, "in the template: }} c");
  EXPECT_THAT(Render("\xFF", {}), HasSubstr("not UTF-8"));
  EXPECT_THAT(Render("{{ x }}", {{"x", "\xFF"}}), HasSubstr("not UTF-8"));
}

// ---- What a template may cost. The defaults are a hundred times these limits.

std::string Many(const std::string& part, int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += part;
  return text;
}

TEST(ChatTemplate, HostileTemplatesEndInErrors) {
  const RenderOptions options{.tokens = {}, .max_steps = 200'000, .max_bytes = 1 << 20, .max_memory = 4 << 20};
  const std::string grow = "{% set ns = namespace(a=[1]) %}{% for i in range(99) %}";
  const std::string kHostile[] = {
      "{{ 'a' * 1000000000 }}",
      "{{ 'ab' * 9223372036854775807 }}",
      "{{ [1] * 1000000000 }}",
      "{{ [[]] * 9223372036854775807 }}",
      "{{ range(1000000000) }}",
      "{{ range(-9223372036854775807, 9223372036854775807) }}",
      "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
      "{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}",
      grow + "{% set ns.a = ns.a + ns.a %}{% endfor %}",
      grow + "{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a }}",
      grow + "{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a == ns.a[0] }}{{ ns.a|tojson }}",
      "{% set ns = namespace(a='aaaa') %}{% for i in range(99) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}",
      "{% set ns = namespace(a='x' * 9999) %}{% for i in range(99) %}{% set ns.a = ns.a.replace('x', ns.a) %}{% endfor %}",
      "{% set ns = namespace(a=[]) %}{% for i in range(9999) %}{% set ns.a = [ns.a] %}{% endfor %}",
      "{% set ns = namespace(a={}) %}{% for i in range(9999) %}{% set ns.a = {'a': ns.a} %}{% endfor %}{{ ns.a }}",
      "{% set ns = namespace(a=0) %}{% for i in range(9999) %}{% for x in [ns.a] %}{% set ns.a = loop %}{% endfor %}{% endfor %}",
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% macro f(n) %}{{ f(n + 1) ~ f(n + 1) }}{% endmacro %}{{ f(0) }}",
      "{% for n in [1] recursive %}{{ loop([1]) }}{% endfor %}",
      "{{ '%1000000000d' % 1 }}",
      "{{ '{:1000000000}'.format(1) }}",
      "{{ 'a'.center(1000000000) }}{{ 'a'.zfill(1000000000) }}",
      "{{ 'a\t'.expandtabs(1000000000) }}",
      "{{ 'a'|indent(1000000000, true) }}",
      "{{ [1]|tojson(indent=1000000000) }}",
      "{{ [1]|batch(1000000000, 1)|list }}{{ [1]|slice(1000000000)|list }}",
      "{{ 10 ** 1000 }}",
      "{% set a = 'a' * 900000 %}{% for i in range(99999) %}{{ 'b' ~ a in a }}{% endfor %}",
      "{% set a = 'a' * 900000 %}{{ a.rfind('b' ~ a[1:90000]) }}",
      "{% set a = 'a' * 900000 %}{{ a.split('a')|length }}",
      "{% set a = 'a' * 900000 %}{% set d = {a: 1} %}{% for i in range(99999) %}{{ d[a] }}{% endfor %}",
      "{% set ns = namespace(a=1) %}{% for i in range(99) %}{% set ns.a = (ns.a, ns.a) %}{% endfor %}{{ {ns.a: 1} }}",
      "{{ 1" + Many("0", 400) + " }}",
      "{{ strftime_now('%999999999d' * 99) }}",
      "{{ (" + Many("'a',", 20000) + ")|join * 9999 }}",
      Many("{{ x }}", 250000),
      Many("(", 20000),
      "{{ " + Many("(", 20000),
      "{{ " + Many("[", 20000),
      "{{ " + Many("{1:", 20000),
      "{{ " + Many("-", 20000) + "1 }}",
      "{{ " + Many("not ", 20000) + "1 }}",
      "{{ " + Many("a if b else ", 20000) + "c }}",
      "{{ a" + Many(".b", 20000) + " }}",
      "{{ a" + Many("|upper", 20000) + " }}",
      "{{ a" + Many("[0]", 20000) + " }}",
      "{{ a" + Many("()", 20000) + " }}",
      "{{ a" + Many(" is b(1)", 1000) + " }}",
      Many("{% if a %}", 20000),
      Many("{% for a in b %}", 20000),
      Many("{% macro m() %}", 20000),
      "{% set " + Many("(", 20000) + " = 1 %}",
      std::string(2 << 20, 'x'),
  };
  for (const std::string& source : kHostile) {
    const std::string answer = Render(source, Json::object(), options);
    // All but one, which is text to Jinja.
    if (source[0] == '(') continue;
    EXPECT_THAT(answer, StartsWith("error: t:")) << source.substr(0, 100);
  }
}

TEST(ChatTemplate, LongIsNotDeep) {
  const std::string sum = "{{ 1" + Many(" + 1", 20000) + " }}";
  EXPECT_EQ(Render(sum, {}), "20001");
  EXPECT_EQ(Render("{{ 'a'" + Many(" ~ 'a'", 999) + " }}", {}), Many("a", 1000));
  EXPECT_EQ(Render("{{ 0" + Many(" or 0", 5000) + " }}", {}), "0");
  EXPECT_EQ(Render("{% if 0 %}" + Many("{% elif 0 %}", 5000) + "{% else %}x{% endif %}", {}), "x");
  EXPECT_EQ(Render("{{ " + Many("(", 100) + "1" + Many(")", 100) + " }}", {}), "1");
}

// Circles of references must not outlive a rendering (the leak checker sees them), nor be walked for ever.
TEST(ChatTemplate, CirclesEnd) {
  EXPECT_EQ(Render("{% set ns = namespace() %}{% set ns.a = [ns] %}{% set ns.b = ns %}{{ ns.a == ns.a }}", {}), "True");
  EXPECT_EQ(Render("{% macro m() %}{% endmacro %}{% set n = m %}{% set ns = namespace(m=m) %}{{ ns.m() }}", {}), "");
  EXPECT_EQ(Render("{% set ns = namespace() %}{% for i in [1] %}{% set ns.l = loop %}{% set x = loop.changed(loop) %}"
                   "{{ ns.l.index }}{% endfor %}", {}), "1");
}

TEST(ChatTemplate, DeepRequestsAreRefused) {
  Json deep = 1;
  for (int i = 0; i < 300; ++i) deep = Json::array({deep});
  EXPECT_THAT(Render("{{ x }}", {{"x", deep}}), HasSubstr("nested more than"));
  EXPECT_EQ(Render("unused", {{"x", deep}}), "unused");
}

// ---- Models.

class FakeSource : public ModelSource {
 public:
  const std::string& name() const override { return name_; }
  bool synthetic() const override { return false; }
  const Metadata& metadata() const override { return metadata_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const uint8_t* Rows(size_t, int64_t, int64_t, uint8_t*) const override { return nullptr; }
  Metadata metadata_;

 private:
  std::string name_ = "m.gguf";
  std::vector<TensorInfo> tensors_;
};

TEST(ChatTemplate, OfAModel) {
  FakeSource source;
  const Result<ChatTemplate> none = ReadChatTemplate(source, false);
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message, HasSubstr("m.gguf: the model has no chat template"));
  source.metadata_.AddString("tokenizer.chat_template", "base");
  EXPECT_EQ(ReadChatTemplate(source, true)->source(), "base");
  source.metadata_.AddString("tokenizer.chat_template.tool_use", "{{ tools");
  EXPECT_EQ(ReadChatTemplate(source, false)->source(), "base");
  const Result<ChatTemplate> broken = ReadChatTemplate(source, true);
  ASSERT_FALSE(broken.ok());
  EXPECT_THAT(broken.error().message, StartsWith("m.gguf: tokenizer.chat_template.tool_use:1:1: "));
}

TEST(ChatTemplate, TokensOfAModel) {
  FakeSource source;
  EXPECT_TRUE(ReadTemplateTokens(source.metadata_)->empty());
  source.metadata_.AddStrings("tokenizer.ggml.tokens", {"a", "<s>"});
  source.metadata_.AddU32("tokenizer.ggml.bos_token_id", 1);
  source.metadata_.AddU32("tokenizer.ggml.eos_token_id", 0xFFFFFFFF);
  source.metadata_.AddU32("tokenizer.ggml.padding_token_id", 2);
  const auto tokens = ReadTemplateTokens(source.metadata_);
  ASSERT_TRUE(tokens.ok());
  EXPECT_THAT(*tokens, testing::ElementsAre(testing::Pair("bos_token", "<s>")));
}

}  // namespace
}  // namespace weir
