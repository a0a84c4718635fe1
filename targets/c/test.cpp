// Drives the C++ wrapper once around: learn, store, go on, learn in the background, errors that are thrown.
//
//     test MODEL FOLDER
#include "perennial.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>

namespace {

int failures = 0;

void check(bool good, const char *what) {
    if (!good) {
        std::fprintf(stderr, "test.cpp: %s\n", what);
        failures++;
    }
}

// Images of two classes in turns: one light, one dark, with waves on them.
std::vector<float> pictures(std::size_t count, std::size_t size, float phase) {
    std::vector<float> all(count * size);
    for (std::size_t i = 0; i < all.size(); i++) {
        const float side = (i / size) % 2 ? 0.8f : -0.8f;
        all[i] = side + 0.2f * std::sin(phase + 0.37f * static_cast<float>(i));
    }
    return all;
}

} // namespace

int main(int count, char **arguments) {
    if (count != 3) {
        return 2;
    }
    try {
        perennial::Backbone backbone{std::string(arguments[1])};
        perennial_options options = perennial::options();
        options.blocks = 1;
        options.micro = 2;
        options.random_features = 64;
        perennial::Learner learner(backbone, options);
        const std::size_t size = learner.image_size();
        const std::vector<const char *> labels = {"dark", "light", "dark", "light", "dark", "light", "dark", "light"};
        const std::vector<float> images = pictures(labels.size(), size, 0);

        perennial::Preprocess preprocess(backbone);
        const std::vector<std::uint8_t> grey(64 * 48, 90);
        perennial_frame frame{};
        frame.struct_size = sizeof frame;
        frame.format = PERENNIAL_GRAY8;
        frame.width = frame.strides[0] = 64;
        frame.height = 48;
        frame.planes[0] = grey.data();
        frame.lengths[0] = grey.size();
        std::vector<float> image(size);
        preprocess.write(frame, image.data(), image.size());
        check(std::fabs(image[0] - (90.0f / 127.5f - 1.0f)) < 1e-5f, "a grey frame is grey");

        perennial::Predictor predictor = learner.predictor();
        try {
            predictor.predict(images, 1);
            check(false, "an empty learner answers");
        } catch (const perennial::Error &e) {
            check(e.status() == PERENNIAL_STATUS_STATE && std::strstr(e.what(), "nothing was learned"), e.what());
        }
        learner.begin_task("light");
        learner.observe(images, labels);
        learner.epoch();
        check(learner.end_task().images == labels.size(), "pictures of the report");
        learner.commit(true);
        check(learner.report_json().find("\"dark\"") != std::string::npos, "a report without its classes");
        check(learner.classes() == std::vector<std::string>{"dark", "light"}, "classes");
        check(learner.tasks() == std::vector<std::string>{"light"}, "tasks");
        check(learner.footprint().size() > 100, "footprint");
        check(predictor.commits() == 1, "commits");
        check(std::strcmp(predictor.predict(images, 2)[1].name, "light") == 0, "the class of a learned image");

        const perennial::Key key{7};
        const std::string path = std::string(arguments[2]) + "/wrapper.state";
        learner.save(path, &key);
        const perennial::State state(path, &key);
        perennial::Learner other(backbone, options, &state);
        check(std::memcmp(other.predict(images, 1).data(), learner.predict(images, 1).data(),
                          sizeof(perennial_prediction)) == 0,
              "a stored learner answers otherwise");

        options.sharing = 1;
        perennial::Learner sharing(backbone, options, &state);
        const std::vector<const char *> names = {"far", "near", "far", "near", "far", "near", "far", "near"};
        std::vector<float> striped = pictures(names.size(), size, 1);
        for (std::size_t i = 0; i < striped.size(); i++) {
            striped[i] *= i / 8 % 2 ? -1.0f : 1.0f;
        }
        sharing.begin_task("near");
        sharing.observe(striped, names);
        sharing.end_task();
        perennial_bundle_options said{};
        said.struct_size = sizeof said;
        said.counter = 1;
        const perennial::Key secret{1, 2, 3};
        const std::vector<perennial::Key> makers = {perennial::maker(secret)};
        const perennial::Bundle bundle = sharing.bundle(preprocess, said, secret);
        check(other.take(perennial::Bundle(bundle.bytes()), preprocess, makers, 0), "a bundle is not taken");
        check(!other.take(bundle, preprocess, makers, 0), "a bundle is taken twice");
        check(other.tasks() == std::vector<std::string>{"light", "near"}, "the task of a bundle");
        check(other.task_receipt(0).find("passes") != std::string::npos, "a receipt");

        perennial::Background background(std::move(learner));
        const std::vector<const char *> more = {"grey", "white", "grey", "white", "grey", "white", "grey", "white"};
        background.teach("white", pictures(more.size(), size, 2), more, 2);
        const perennial_progress progress = background.poll(std::chrono::seconds(60));
        check(progress.kept + progress.refused == 1, "a lesson without an end");
        perennial::Learner back = background.finish();
        back.forget_class("light");
        check(back.classes()[1].empty(), "a class that was forgotten has a name");
    } catch (const std::exception &e) {
        check(false, e.what());
    }
    if (failures == 0) {
        std::puts("ok");
    }
    return failures != 0;
}
