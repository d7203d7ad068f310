// Policies written in Python for the simulator: the hook calls go to an object of a class derived from
// bulkhead.Scheduler, MemoryPolicy or RingPolicy. Never used in ring 0, and never fast.
#pragma once

#include "sim/policy.hpp"

#include <optional>
#include <pybind11/pybind11.h>
#include <unordered_set>

namespace bulkhead::python {

// What Python holds of an object of the machine. The machine's object may go first; then it is empty.
template<class T>
struct View {
    T* object = nullptr;
    [[nodiscard]] T& get() const {
        if (object == nullptr)
            throw pybind11::value_error{"this object is gone; a policy must forget it when it is told so"};
        return *object;
    }
};

// An object of a kind's contract with the view that Python has of it: a reference that the policy owns.
template<class Base>
struct Seen : Base {
    pybind11::handle view;
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
    // Reads an answer with `read`; what it throws, and a value that is no such thing, is the policy's
    // failure, about which `expected` says what was. Then, and after a failure, the answer is `other`.
    template<class T, class Read>
    T answer(T other, const char* expected, Read&& read) {
        if (failure_)
            return other;
        try {
            return read();
        } catch (const pybind11::cast_error&) {
            PyErr_SetString(PyExc_TypeError, expected);
        } catch (const pybind11::builtin_exception& error) {
            error.set_error();
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
            object.view = pybind11::cast(View<T>{&object}).release();
            views_.insert(object.view.ptr());
        }
        return object.view;
    }
    // The object goes: whoever keeps its view has an empty one.
    template<class T>
    void forget(T& object) {
        if (!object.view)
            return;
        object.view.template cast<View<T>&>().object = nullptr;
        views_.erase(object.view.ptr());
        object.view.dec_ref();
        object.view = {};
    }

    // The one of a kind that this thread made last: what a `create` hook is for.
    [[nodiscard]] static PythonPolicy*& under_construction(plugin::Kind kind);

  private:
    pybind11::object object_;
    std::string name_;
    plugin::Descriptor descriptor_{};
    std::unordered_set<PyObject*> views_;
    std::optional<pybind11::error_already_set> failure_;
};

// The services that every kind has. Valid as long as the machine.
struct HostView {
    const plugin::Host* host;
};

inline PythonPolicy& python_self(void* policy) { return **static_cast<PythonPolicy**>(policy); }
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
