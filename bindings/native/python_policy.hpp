// Policies written in Python for the simulator: the hook calls go to an object of a class derived from
// bulkhead.Scheduler, MemoryPolicy or RingPolicy. Never used in ring 0, and never fast.
#pragma once

#include "sim/policy.hpp"

#include <deque>
#include <optional>
#include <pybind11/pybind11.h>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulkhead::python {

// What Python holds of an object of the machine. The machine's object may go first: then the view is
// emptied, and reading it raises ValueError.
class AnyView {
  public:
    virtual ~AnyView() = default;
    virtual void empty() = 0;
};

template<class T>
class View final : public AnyView {
  public:
    explicit View(T& object) : object_{&object} {}
    [[nodiscard]] bool is_empty() const { return object_ == nullptr; }
    [[nodiscard]] T& get() const {
        if (is_empty())
            throw pybind11::value_error{
                "this object is gone; a policy must forget it when it is told so, and "
                "nothing of a machine outlives its run"};
        return *object_;
    }
    void empty() override { object_ = nullptr; }

  private:
    T* object_;
};

class PythonPolicy;

// An object of a kind's contract with the view that Python has of it: a reference that the policy owns.
template<class Base>
struct Seen : Base {
    pybind11::handle view;
    const PythonPolicy* owner = nullptr; // set with the view
};

// The descriptor of a policy in Python, and calls of its object. Shared by the machine and the simulation
// that runs it.
class PythonPolicy {
  public:
    PythonPolicy(pybind11::object object, std::string name, std::uint32_t parameters, plugin::Kind kind,
                 std::uint32_t domain_bytes, const void* hooks);
    ~PythonPolicy();
    PythonPolicy(const PythonPolicy&) = delete;
    PythonPolicy& operator=(const PythonPolicy&) = delete;

    [[nodiscard]] plugin::Descriptor& descriptor() { return descriptor_; }

    // Calls a method of the object; after the first exception nothing is called any more.
    template<class... Arguments>
    pybind11::object call(const char* method, Arguments&&... arguments) {
        if (failure_)
            return pybind11::none{};
        try {
            return object_.attr(method)(std::forward<Arguments>(arguments)...);
        } catch (pybind11::error_already_set& error) {
            failure_.emplace(error);
            return pybind11::none{};
        }
    }
    // Reads a hook's answer with `read`. An exception of the hook or a value of another kind is the policy's
    // failure; `expected` names the kind that was expected. Then, and after a failure, the answer is `other`.
    template<class T, class Read>
    T answer(T other, const pybind11::object& given, const char* expected, Read&& read) {
        if (failure_)
            return other;
        try {
            return read();
        } catch (const pybind11::cast_error&) {
            set_type_error(given, expected);
        } catch (const pybind11::builtin_exception& error) {
            error.set_error();
        } catch (pybind11::error_already_set& error) {
            failure_.emplace(error);
            return other;
        }
        pybind11::error_already_set error;
        failure_.emplace(error);
        return other;
    }
    // Throws the first exception that a hook ended with, if one did. With the interpreter's lock held.
    void rethrow();

    template<class T>
    pybind11::handle view_of(T& object) {
        if (!object.view) {
            object.view = keep(View<T>{object});
            object.owner = this;
        }
        return object.view;
    }
    // A view that is emptied with all others.
    template<class V>
    pybind11::handle keep(V view) {
        const pybind11::handle kept = pybind11::cast(std::move(view)).release();
        views_.emplace(kept.ptr(), &kept.cast<V&>());
        return kept;
    }
    // The object goes: its view, if Python keeps it, is empty from here on.
    template<class T>
    void forget(T& object) {
        if (!object.view)
            return;
        const auto found = views_.find(object.view.ptr());
        found->second->empty();
        views_.erase(found);
        object.view.dec_ref();
        object.view = {};
    }
    // Forgets every object of a type that is as asked for.
    template<class T, class Which>
    void forget_all(Which&& which) {
        std::vector<T*> gone;
        for (const auto& [python, view] : views_)
            if (const auto* one = dynamic_cast<View<T>*>(view); one && !one->is_empty() && which(one->get()))
                gone.push_back(&one->get());
        for (T* object : gone)
            forget(*object);
    }
    // The machine, or its place in it, goes: all views are empty from here on. Called with or without the
    // lock.
    void retire();

    // Values in the order of `domain_parameters`, by the names of that table.
    [[nodiscard]] pybind11::dict by_name(const std::int64_t* values) const;

    // The one of a kind that this thread made last: what a `create` hook is for.
    [[nodiscard]] static PythonPolicy*& under_construction(plugin::Kind kind);

  private:
    void set_type_error(const pybind11::object& given, const char* expected) const;
    void read_domain_parameters();

    pybind11::object object_;
    std::string name_;
    std::deque<std::string> texts_; // of the rows; a deque, so that they stay where they are
    std::vector<plugin::Parameter> domain_parameters_;
    plugin::Descriptor descriptor_{};
    std::unordered_map<PyObject*, AnyView*> views_; // Python's object owns it, and this a reference to that
    std::optional<pybind11::error_already_set> failure_;
};

// The services that every kind has.
using HostView = View<const plugin::Host>;

// A number that a hook answered with: no text, no float, and no truth value either.
inline std::int64_t whole_number(const pybind11::handle& given) {
    if (PyBool_Check(given.ptr()))
        throw pybind11::cast_error{};
    return given.cast<std::int64_t>();
}
// A tuple or list of two that a hook answered with.
inline std::pair<pybind11::object, pybind11::object> pair_of(const pybind11::handle& given) {
    const bool listed = PyTuple_Check(given.ptr()) || PyList_Check(given.ptr());
    if (!listed || pybind11::len(given) != 2)
        throw pybind11::cast_error{};
    return {given[pybind11::int_{0}], given[pybind11::int_{1}]};
}

inline PythonPolicy& python_self(void* policy) { return **static_cast<PythonPolicy**>(policy); }
// What a domain was given for the policy, by name.
template<class Domain>
pybind11::dict values_of(const View<Domain>& view) {
    return view.get().owner->by_name(view.get().values);
}
inline std::int64_t ns(RealTime time) { return time.since_start().count(); }
// In a `create` hook: the policy's memory holds the address of its PythonPolicy.
inline PythonPolicy& adopt(void* policy, plugin::Kind kind) {
    PythonPolicy* made = PythonPolicy::under_construction(kind);
    *static_cast<PythonPolicy**>(policy) = made;
    return *made;
}

// The policy that `object` is, with so many effective parameter values. The machine must be built by the same
// thread right after, before another policy of that kind is made.
[[nodiscard]] std::pair<sim::Policy, std::shared_ptr<PythonPolicy>>
make_python_policy(plugin::Kind kind, const pybind11::object& object, std::string name,
                   std::vector<std::int64_t> values);

// The hook tables and their views, one file for each kind.
[[nodiscard]] std::shared_ptr<PythonPolicy> make_scheduler(pybind11::object object, std::string name,
                                                           std::uint32_t parameters);
[[nodiscard]] std::shared_ptr<PythonPolicy> make_memory_policy(pybind11::object object, std::string name,
                                                               std::uint32_t parameters);
[[nodiscard]] std::shared_ptr<PythonPolicy> make_ring_policy(pybind11::object object, std::string name,
                                                             std::uint32_t parameters);
void add_python_policies(pybind11::module_& module);
void add_scheduler_views(pybind11::module_& module);
void add_memory_views(pybind11::module_& module);
void add_ring_views(pybind11::module_& module);

} // namespace bulkhead::python
