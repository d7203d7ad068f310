// A model of a workload in a file of its own, beside the image of the workload that it stands for.
#pragma once

#include "sim/model.hpp"

#include <expected>
#include <filesystem>
#include <memory>
#include <string>

namespace bulkhead::sim {

class ModelFile {
  public:
    // One line that says what is wrong and what to do, if it cannot be used.
    [[nodiscard]] static std::expected<std::shared_ptr<const ModelFile>, std::string>
    open(const std::filesystem::path& path);
    ~ModelFile();
    ModelFile(const ModelFile&) = delete;
    ModelFile& operator=(const ModelFile&) = delete;
    [[nodiscard]] const Model& model() const { return *model_; }

  private:
    ModelFile(void* library, int copy) : library_{library}, copy_{copy} {}
    void* library_;
    int copy_;
    const Model* model_ = nullptr;
};

} // namespace bulkhead::sim
