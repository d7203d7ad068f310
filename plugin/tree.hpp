// A balanced tree of objects that the caller owns, in an order, each subtree with a summary of what is in it:
// the first object of some property is found in logarithmic time, also where most objects lack it. It never
// allocates and never looks at a key twice: an object whose key changes is erased before and inserted after.
//
// Source: G. Adelson-Velsky, E. Landis, "An algorithm for the organization of information", 1962, for the
// balance; T. Cormen et al., "Introduction to Algorithms", chapter on augmented data structures.
#pragma once

#include <algorithm>

namespace bulkhead::plugin {

// Base of objects that are in a tree. `Tag` tells apart the bases of an object that is in several.
template<class Summary, class Tag = void>
struct TreeHook { // NOLINT(bugprone-crtp-constructor-accessibility): no derived class is named
    TreeHook* parent;
    TreeHook* child[2];
    int height; // of the subtree; 0: in no tree
    Summary summary;
    [[nodiscard]] bool in_tree() const { return height != 0; }
};

// `Traits` has
//
//   using Hook                                  a TreeHook; T derives from it
//   static bool before(const T&, const T&)      the order; equal ones stay in the order in which they came
//   static Summary own(const T&)                of one object
//   static Summary join(Summary, Summary)       of both
//
// All operations but `empty` and `first` take logarithmic time.
template<class T, class Traits>
class Tree {
    using Hook = typename Traits::Hook;
    using Summary = decltype(Hook::summary);

  public:
    [[nodiscard]] bool empty() const { return root_ == nullptr; }
    [[nodiscard]] T* first() const { return first_ == nullptr ? nullptr : object(first_); }

    // Of all objects; there are some.
    [[nodiscard]] Summary whole() const { return root_->summary; }

    [[gnu::noinline]] void insert(T& added) {
        Hook* const node = &added;
        Hook* parent = nullptr;
        Hook** link = &root_;
        bool leads = true;
        while (*link != nullptr) {
            parent = *link;
            const bool right = !Traits::before(added, *object(parent));
            leads = leads && !right;
            link = &parent->child[right ? 1 : 0];
        }
        node->parent = parent;
        node->child[0] = node->child[1] = nullptr;
        node->height = 1;
        node->summary = Traits::own(added);
        *link = node;
        if (leads)
            first_ = node;
        retrace(parent);
    }

    [[gnu::noinline]] void erase(T& gone) {
        Hook* const node = &gone;
        if (first_ == node)
            first_ = following(node);
        Hook* below = node->parent; // the lowest node whose subtree has lost one
        if (node->child[0] == nullptr || node->child[1] == nullptr) {
            put_in_place_of(node, node->child[node->child[0] == nullptr ? 1 : 0]);
            retrace(below);
        } else {
            Hook* const heir = leftmost(node->child[1]);
            below = heir->parent == node ? heir : heir->parent;
            if (heir->parent != node) {
                put_in_place_of(heir, heir->child[1]);
                adopt(heir, 1, node->child[1]);
            }
            adopt(heir, 0, node->child[0]);
            put_in_place_of(node, heir);
            heir->height = node->height;
            heir->summary = node->summary;
            retrace(below);
            retrace(heir);
        }
        node->height = 0;
    }

    // What Traits::own makes of the object has changed; its place in the order has not.
    void changed(T& object) {
        if (object.Hook::height != 0)
            retrace(&object);
    }

    // The first object with a property. `has(summary)` tells whether an object of that subtree has it.
    template<class Has>
    [[nodiscard]] T* find(Has has) const {
        Hook* node = root_;
        if (node == nullptr || !has(node->summary))
            return nullptr;
        for (;;) {
            if (Hook* left = node->child[0]; left != nullptr && has(left->summary))
                node = left;
            else if (has(Traits::own(*object(node))))
                return object(node);
            else
                node = node->child[1];
        }
    }

    // Calls visit(summary) for parts that together are all objects before this one.
    template<class Visit>
    void visit_before(const T& object_, Visit visit) const {
        const Hook* node = &object_;
        if (node->child[0] != nullptr)
            visit(node->child[0]->summary);
        for (; node->parent != nullptr; node = node->parent)
            if (const Hook* parent = node->parent; parent->child[1] == node) {
                visit(Traits::own(*object(parent)));
                if (parent->child[0] != nullptr)
                    visit(parent->child[0]->summary);
            }
    }

  private:
    static T* object(Hook* node) { return static_cast<T*>(node); }
    static const T* object(const Hook* node) { return static_cast<const T*>(node); }
    static int height(const Hook* node) { return node == nullptr ? 0 : node->height; }
    static Hook* leftmost(Hook* node) {
        while (node->child[0] != nullptr)
            node = node->child[0];
        return node;
    }
    static Hook* following(Hook* node) {
        if (node->child[1] != nullptr)
            return leftmost(node->child[1]);
        while (node->parent != nullptr && node->parent->child[1] == node)
            node = node->parent;
        return node->parent;
    }
    static void adopt(Hook* parent, int side, Hook* child) {
        parent->child[side] = child;
        if (child != nullptr)
            child->parent = parent;
    }
    void put_in_place_of(const Hook* node, Hook* heir) {
        if (node->parent == nullptr)
            root_ = heir;
        else
            node->parent->child[node->parent->child[1] == node ? 1 : 0] = heir;
        if (heir != nullptr)
            heir->parent = node->parent;
    }

    static void sum_up(Hook* node) {
        node->height = 1 + std::max(height(node->child[0]), height(node->child[1]));
        Summary sum = Traits::own(*object(node));
        for (const Hook* child : node->child)
            if (child != nullptr)
                sum = Traits::join(sum, child->summary);
        node->summary = sum;
    }
    // The child on that side takes the place of its parent, which becomes its child on the other side.
    Hook* rotate(Hook* node, int side) {
        Hook* const up = node->child[side];
        put_in_place_of(node, up);
        adopt(node, side, up->child[1 - side]);
        adopt(up, 1 - side, node);
        sum_up(node);
        sum_up(up);
        return up;
    }
    // Heights and summaries from this node upwards, as far as they change.
    [[gnu::noinline]] void retrace(Hook* node) {
        while (node != nullptr) {
            const int former_height = node->height;
            const Summary former = node->summary;
            const int lean = height(node->child[1]) - height(node->child[0]);
            if (lean > 1 || lean < -1) {
                const int side = lean > 0 ? 1 : 0;
                Hook* const heavy = node->child[side];
                if (height(heavy->child[1 - side]) > height(heavy->child[side]))
                    rotate(heavy, 1 - side);
                node = rotate(node, side);
            } else {
                sum_up(node);
            }
            if (node->height == former_height && node->summary == former)
                return;
            node = node->parent;
        }
    }

    Hook* root_ = nullptr;
    Hook* first_ = nullptr;
};

} // namespace bulkhead::plugin
