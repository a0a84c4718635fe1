// Perennial for C++17: handles that clean up after themselves, and errors that are thrown. Header only, over perennial.h.
//
//     perennial::Backbone backbone("vit_tiny.onnx");
//     perennial::Learner learner(backbone);
//     learner.begin_task("kitchen");
//     learner.observe({pixels, count * learner.image_size()}, labels);
//     learner.end_task();
//     learner.commit();
//
// Nothing here does what perennial.h does not. A moved-from object may only be assigned to or destroyed.
#ifndef PERENNIAL_HPP
#define PERENNIAL_HPP

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "perennial.h"

namespace perennial {

/// What went wrong; `what()` says where, and the next move.
class Error : public std::runtime_error {
  public:
    Error(perennial_status status, const char *message) : std::runtime_error(message), status_(status) {}
    perennial_status status() const noexcept { return status_; }

  private:
    perennial_status status_;
};

/// Values that somebody else owns, for as long as a call: what std::span<const T> is from C++20 on.
template <typename T> class View {
  public:
    constexpr View(const T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <typename Container>
    constexpr View(const Container &from) noexcept : data_(from.data()), size_(from.size()) {}
    constexpr const T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }

  private:
    const T *data_;
    std::size_t size_;
};

/// 32 bytes that a state is sealed with.
using Key = std::array<std::uint8_t, 32>;

namespace detail {

/// Makes a call whose last argument is the error, and throws what it says.
template <typename Call, typename... Arguments> void check(Call call, Arguments... arguments) {
    perennial_error error = PERENNIAL_ERROR_INIT;
    const perennial_status status = call(arguments..., &error);
    if (status != PERENNIAL_STATUS_OK) {
        throw Error(status, error.message);
    }
}

/// Asks for a text that is copied into a buffer.
template <typename Call> std::string text(Call call) {
    std::size_t needed = 0;
    call(nullptr, std::size_t{0}, &needed);
    std::string text(needed, '\0');
    call(text.data(), text.size(), &needed);
    text.resize(needed - 1);
    return text;
}

template <typename Handle, void (*destroy)(Handle **)> struct Destroy {
    void operator()(Handle *handle) const noexcept { destroy(&handle); }
};

template <typename Handle, void (*destroy)(Handle **)>
using Own = std::unique_ptr<Handle, Destroy<Handle, destroy>>;

inline const std::uint8_t *bytes(const Key *key) noexcept { return key ? key->data() : nullptr; }

} // namespace detail

/// Version of the library.
inline std::string version() { return perennial_version(); }

/// Options of a learner, with their defaults.
inline perennial_options options() {
    perennial_options options;
    detail::check(perennial_options_default, &options, sizeof options);
    return options;
}

/// A frozen network.
class Backbone {
  public:
    explicit Backbone(const std::string &path, std::size_t height = 0, std::size_t width = 0) {
        perennial_backbone *own = nullptr;
        detail::check(perennial_backbone_read, path.c_str(), height, width, &own);
        own_.reset(own);
    }
    explicit Backbone(View<std::uint8_t> file, std::size_t height = 0, std::size_t width = 0) {
        perennial_backbone *own = nullptr;
        detail::check(perennial_backbone_from_bytes, file.data(), file.size(), height, width, &own);
        own_.reset(own);
    }
    std::array<std::uint8_t, 32> sha256() const {
        std::array<std::uint8_t, 32> hash{};
        detail::check(perennial_backbone_sha256, own_.get(), hash.data());
        return hash;
    }
    const perennial_backbone *get() const noexcept { return own_.get(); }

  private:
    detail::Own<perennial_backbone, perennial_backbone_destroy> own_;
};

/// Turns camera frames into images of a backbone, on one thread at a time.
class Preprocess {
  public:
    explicit Preprocess(const Backbone &backbone, const perennial_preprocess_options *options = nullptr) {
        perennial_preprocess *own = nullptr;
        detail::check(perennial_preprocess_create, backbone.get(), options, &own);
        own_.reset(own);
    }
    /// Writes the frame's region as `[3, height, width]`.
    void write(const perennial_frame &frame, float *image, std::size_t length) {
        detail::check(perennial_preprocess_frame, own_.get(), &frame, image, length);
    }

    const perennial_preprocess *get() const noexcept { return own_.get(); }

  private:
    detail::Own<perennial_preprocess, perennial_preprocess_destroy> own_;
};

/// A signed task, for other devices or from them.
class Bundle {
  public:
    /// Nothing of it is looked at before its signature holds.
    explicit Bundle(View<std::uint8_t> content) {
        perennial_bundle *own = nullptr;
        detail::check(perennial_bundle_read, content.data(), content.size(), &own);
        own_.reset(own);
    }
    explicit Bundle(perennial_bundle *own) : own_(own) {}
    /// What is sent or stored, as long as this lives.
    View<std::uint8_t> bytes() const {
        const std::uint8_t *content = nullptr;
        std::size_t length = 0;
        detail::check(perennial_bundle_bytes, own_.get(), &content, &length, nullptr, nullptr);
        return {content, length};
    }
    const perennial_bundle *get() const noexcept { return own_.get(); }

  private:
    detail::Own<perennial_bundle, perennial_bundle_destroy> own_;
};

/// By whom bundles are that are signed with `secret`.
inline Key maker(const Key &secret) {
    Key maker{};
    detail::check(perennial_maker, secret.data(), maker.data());
    return maker;
}

/// What a learner knew when it was stored.
class State {
  public:
    explicit State(const std::string &path, const Key *key = nullptr) {
        perennial_state *own = nullptr;
        detail::check(perennial_state_load_file, path.c_str(), detail::bytes(key), &own);
        own_.reset(own);
    }
    explicit State(const perennial_medium &medium, const Key *key = nullptr) {
        perennial_state *own = nullptr;
        detail::check(perennial_state_load, &medium, detail::bytes(key), &own);
        own_.reset(own);
    }
    const perennial_state *get() const noexcept { return own_.get(); }

  private:
    detail::Own<perennial_state, perennial_state_destroy> own_;
};

/// Answers from what a learner last committed, on any thread.
class Predictor {
  public:
    explicit Predictor(perennial_predictor *own) : own_(own) {}
    std::vector<perennial_prediction> predict(View<float> images, std::size_t count) const {
        std::vector<perennial_prediction> answers(count);
        detail::check(perennial_predictor_predict, own_.get(), images.data(), count, answers.data(),
                      sizeof(perennial_prediction));
        return answers;
    }
    std::uint64_t commits() const {
        std::uint64_t commits = 0;
        detail::check(perennial_predictor_commits, own_.get(), &commits);
        return commits;
    }

  private:
    detail::Own<perennial_predictor, perennial_predictor_destroy> own_;
};

/// Learns classes, task after task, on one thread at a time.
class Learner {
  public:
    explicit Learner(const Backbone &backbone, const perennial_options &options = perennial::options(),
                     const State *state = nullptr) {
        perennial_learner *own = nullptr;
        detail::check(perennial_learner_create, backbone.get(), &options, state ? state->get() : nullptr, &own);
        own_.reset(own);
    }
    explicit Learner(perennial_learner *own) : own_(own) {}

    /// Channels, height and width of an image.
    std::array<std::size_t, 3> image_shape() const {
        std::array<std::size_t, 3> shape{};
        detail::check(perennial_learner_image_shape, own_.get(), shape.data());
        return shape;
    }
    /// Numbers of an image.
    std::size_t image_size() const {
        const auto shape = image_shape();
        return shape[0] * shape[1] * shape[2];
    }
    /// The plan of its memory.
    std::string footprint() const {
        return detail::text([this](char *buffer, std::size_t capacity, std::size_t *needed) {
            detail::check(perennial_learner_footprint, own_.get(), nullptr, buffer, capacity, needed);
        });
    }
    void begin_task(const std::string &name) { detail::check(perennial_learner_begin_task, own_.get(), name.c_str()); }
    perennial_step observe(View<float> images, View<const char *> labels) {
        perennial_step last{};
        if (images.size() != labels.size() * image_size()) {
            throw Error(PERENNIAL_STATUS_SHAPE, "as many images as labels are needed");
        }
        detail::check(perennial_learner_observe, own_.get(), images.data(), labels.size(), labels.data(), &last);
        return last;
    }
    perennial_step epoch() {
        perennial_step last{};
        detail::check(perennial_learner_epoch, own_.get(), &last);
        return last;
    }
    perennial_report end_task() {
        perennial_report report{};
        detail::check(perennial_learner_end_task, own_.get(), &report);
        return report;
    }
    /// All that is known of the last task, as JSON.
    std::string report_json() const {
        return detail::text([this](char *buffer, std::size_t capacity, std::size_t *needed) {
            detail::check(perennial_learner_report_json, own_.get(), buffer, capacity, needed);
        });
    }
    /// What the task that has just ended taught, signed.
    Bundle bundle(const Preprocess &preprocess, const perennial_bundle_options &options, const Key &secret) {
        perennial_bundle *bundle = nullptr;
        detail::check(perennial_learner_bundle, own_.get(), preprocess.get(), &options, secret.data(), &bundle);
        return Bundle(bundle);
    }
    /// Takes over what one of `makers` signed; false where it was there already.
    bool take(const Bundle &bundle, const Preprocess &preprocess, View<Key> makers, std::uint64_t now,
              const char *name = nullptr) {
        std::uint32_t outcome = 0;
        const std::uint8_t *first = makers.size() > 0 ? makers.data()->data() : nullptr;
        detail::check(perennial_learner_take, own_.get(), bundle.get(), preprocess.get(), first, makers.size(), now,
                      name, &outcome);
        return outcome == PERENNIAL_TAKEN;
    }
    /// How task `index` was learned, as JSON.
    std::string task_receipt(std::size_t index) const {
        return detail::text([&](char *buffer, std::size_t capacity, std::size_t *needed) {
            detail::check(perennial_learner_task_receipt, own_.get(), index, buffer, capacity, needed);
        });
    }
    void commit(bool anyway = false) { detail::check(perennial_learner_commit, own_.get(), std::uint32_t{anyway}); }
    void rollback() { detail::check(perennial_learner_rollback, own_.get()); }
    std::vector<perennial_prediction> predict(View<float> images, std::size_t count) const {
        std::vector<perennial_prediction> answers(count);
        detail::check(perennial_learner_predict, own_.get(), images.data(), count, answers.data(),
                      sizeof(perennial_prediction));
        return answers;
    }
    Predictor predictor() const {
        perennial_predictor *predictor = nullptr;
        detail::check(perennial_learner_predictor, own_.get(), &predictor);
        return Predictor(predictor);
    }
    void forget_class(const std::string &name) {
        detail::check(perennial_learner_forget_class, own_.get(), name.c_str());
    }
    void forget_task(const std::string &name) { detail::check(perennial_learner_forget_task, own_.get(), name.c_str()); }
    std::vector<std::string> classes() const {
        std::size_t count = 0;
        detail::check(perennial_learner_counts, own_.get(), &count, nullptr);
        return names(count, perennial_learner_class_name);
    }
    std::vector<std::string> tasks() const {
        std::size_t count = 0;
        detail::check(perennial_learner_counts, own_.get(), nullptr, &count);
        return names(count, perennial_learner_task_name);
    }
    void save(const std::string &path, const Key *key = nullptr) const {
        detail::check(perennial_learner_save_file, own_.get(), path.c_str(), detail::bytes(key));
    }
    void save(const perennial_medium &medium, const Key *key = nullptr) const {
        detail::check(perennial_learner_save, own_.get(), &medium, detail::bytes(key));
    }
    /// The handle, no longer owned.
    perennial_learner *release() noexcept { return own_.release(); }

  private:
    template <typename Call> std::vector<std::string> names(std::size_t count, Call call) const {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < count; i++) {
            names.push_back(detail::text([&](char *buffer, std::size_t capacity, std::size_t *needed) {
                detail::check(call, own_.get(), i, buffer, capacity, needed);
            }));
        }
        return names;
    }

    detail::Own<perennial_learner, perennial_learner_destroy> own_;
};

/// A learner on a thread of its own.
class Background {
  public:
    explicit Background(Learner learner, const perennial_background_options *options = nullptr) {
        perennial_background *own = nullptr;
        perennial_learner *handle = learner.release();
        try {
            detail::check(perennial_background_create, &handle, options, &own);
        } catch (...) {
            perennial_learner_destroy(&handle);
            throw;
        }
        own_.reset(own);
    }
    void teach(const std::string &name, View<float> images, View<const char *> labels, std::size_t epochs) {
        detail::check(perennial_background_teach, own_.get(), name.c_str(), images.data(), labels.size(), labels.data(),
                      epochs);
    }
    /// Works for so long; whether there is work left.
    bool step(std::chrono::microseconds time) {
        std::uint32_t working = 0;
        detail::check(perennial_background_step, own_.get(), static_cast<std::uint64_t>(time.count()), &working);
        return working != 0;
    }
    void pause(bool pause = true) { detail::check(perennial_background_pause, own_.get(), std::uint32_t{pause}); }
    void interrupt() { detail::check(perennial_background_interrupt, own_.get()); }
    /// What came of the lessons since the last call. `lesson`, where given, gets the error of the last one that failed.
    perennial_progress poll(std::chrono::milliseconds wait = std::chrono::milliseconds(0), perennial_error *lesson = nullptr) {
        perennial_progress progress{};
        detail::check(perennial_background_poll, own_.get(), static_cast<std::uint64_t>(wait.count()), &progress, lesson);
        return progress;
    }
    Predictor predictor() const {
        perennial_predictor *predictor = nullptr;
        detail::check(perennial_background_predictor, own_.get(), &predictor);
        return Predictor(predictor);
    }
    /// Teaches what waits, and gives the learner back.
    Learner finish() {
        perennial_background *handle = own_.release();
        perennial_learner *learner = nullptr;
        detail::check(perennial_background_finish, &handle, &learner);
        return Learner(learner);
    }

  private:
    detail::Own<perennial_background, perennial_background_destroy> own_;
};

} // namespace perennial

#endif // PERENNIAL_HPP
