// An XML parser that forgives nothing, as the judge of pages and drawings.
#pragma once

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include <memory>
#include <string>
#include <vector>

namespace weir {

class Xml {
 public:
  explicit Xml(const std::string& text)
      : document_(xmlReadMemory(text.data(), static_cast<int>(text.size()), "page", "UTF-8", XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_HUGE),
                  xmlFreeDoc) {
    if (const xmlError* error = xmlGetLastError(); !document_ && error) error_ = std::to_string(error->line) + ": " + error->message;
  }
  bool ok() const { return document_ != nullptr; }
  const std::string& error() const { return error_; }

  /// The text of all elements of that name, wherever they are.
  std::vector<std::string> Texts(const std::string& element) const {
    std::vector<std::string> texts;
    const std::unique_ptr<xmlXPathContext, void (*)(xmlXPathContext*)> context(xmlXPathNewContext(document_.get()), xmlXPathFreeContext);
    const std::string path = "//*[local-name()='" + element + "']";
    const std::unique_ptr<xmlXPathObject, void (*)(xmlXPathObject*)> found(
        xmlXPathEvalExpression(reinterpret_cast<const xmlChar*>(path.c_str()), context.get()), xmlXPathFreeObject);
    for (int i = 0; found && found->nodesetval && i < found->nodesetval->nodeNr; ++i) {
      xmlChar* content = xmlNodeGetContent(found->nodesetval->nodeTab[i]);
      texts.emplace_back(reinterpret_cast<const char*>(content));
      xmlFree(content);
    }
    return texts;
  }

 private:
  std::unique_ptr<xmlDoc, void (*)(xmlDoc*)> document_;
  std::string error_;
};

}  // namespace weir
