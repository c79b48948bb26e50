#include "model/jinja/ast.h"

#include <algorithm>

namespace weir::jinja {
namespace {

int Depth(const ExpressionPtr& expression) { return expression ? expression->depth : 0; }

int Depth(const std::vector<ExpressionPtr>& expressions) {
  int depth = 0;
  for (const ExpressionPtr& expression : expressions) depth = std::max(depth, Depth(expression));
  return depth;
}

template <class T>
int SecondDepth(const std::vector<std::pair<T, ExpressionPtr>>& pairs) {
  int depth = 0;
  for (const auto& pair : pairs) depth = std::max(depth, Depth(pair.second));
  return depth;
}

int Depth(const CallArguments& arguments) {
  return std::max({Depth(arguments.positional), SecondDepth(arguments.named),
                   Depth(arguments.star), Depth(arguments.double_star)});
}

struct OperandDepthVisitor {
  int operator()(const Literal&) const { return 0; }
  int operator()(const Variable&) const { return 0; }
  int operator()(const ListDisplay& node) const { return Depth(node.items); }
  int operator()(const DictDisplay& node) const {
    int depth = 0;
    for (const auto& [key, value] : node.entries) depth = std::max({depth, Depth(key), Depth(value)});
    return depth;
  }
  int operator()(const Not& node) const { return Depth(node.operand); }
  int operator()(const Signed& node) const { return Depth(node.operand); }
  int operator()(const Arithmetic& node) const {
    return std::max(Depth(node.first), SecondDepth(node.rest));
  }
  int operator()(const Join& node) const { return Depth(node.parts); }
  int operator()(const Logical& node) const { return Depth(node.operands); }
  int operator()(const Comparison& node) const {
    return std::max(Depth(node.first), SecondDepth(node.rest));
  }
  int operator()(const Conditional& node) const {
    return std::max({Depth(node.test), Depth(node.then), Depth(node.otherwise)});
  }
  int operator()(const GetAttributeOf& node) const { return Depth(node.object); }
  int operator()(const GetItemOf& node) const {
    return std::max(Depth(node.object), Depth(node.key));
  }
  int operator()(const SliceOf& node) const {
    return std::max({Depth(node.object), Depth(node.start), Depth(node.stop), Depth(node.step)});
  }
  int operator()(const CallOf& node) const {
    return std::max(Depth(node.callee), Depth(node.arguments));
  }
  int operator()(const FilterOf& node) const {
    return std::max(Depth(node.subject), Depth(node.arguments));
  }
  int operator()(const TestOf& node) const {
    return std::max(Depth(node.subject), Depth(node.arguments));
  }
};

}  // namespace

int OperandDepth(const Expression::Node& node) { return std::visit(OperandDepthVisitor(), node); }

}  // namespace weir::jinja
