// What waits for instants, the earliest first, and of equal ones the one that came first: a leftist heap of
// objects that bear their own links. Each operation takes a number of steps that grows as the logarithm of
// how many there are, and few where there are few: most timers are alone in their line.
#pragma once

#include "abi/types.hpp"

#include <utility>

namespace bulkhead::host {

class DeadlineNode {
    template<class T>
    friend class DeadlineHeap;

    DeadlineNode *left_ = nullptr, *right_ = nullptr, *up_ = nullptr;
    RealTime key_{};
    std::uint64_t order_ = 0; // of insertion
    // Nodes on the way down by right links. A left child's rank is at least that of the right one.
    std::uint32_t rank_ = 0;

    friend bool operator<(const DeadlineNode& a, const DeadlineNode& b) {
        return a.key_ != b.key_ ? a.key_ < b.key_ : a.order_ < b.order_;
    }
};

// T is a DeadlineNode, in one heap at a time. The heap owns nothing.
template<class T>
class DeadlineHeap {
  public:
    [[nodiscard]] bool empty() const { return root_ == nullptr; }
    [[nodiscard]] T& first() const { return *static_cast<T*>(root_); }
    [[nodiscard]] RealTime first_key() const { return root_->key_; }

    void insert(T& what, RealTime key) {
        DeadlineNode& node = what;
        node.left_ = node.right_ = node.up_ = nullptr;
        node.rank_ = 1;
        node.key_ = key;
        node.order_ = ++inserted_;
        if (root_ != nullptr && root_->key_ <= key) {
            root_ = meld(root_, &node);
            return;
        }
        node.left_ = root_; // the earliest, or the only one
        if (root_ != nullptr)
            root_->up_ = &node;
        root_ = &node;
    }
    void erase(T& what) {
        DeadlineNode& node = what;
        DeadlineNode *left = node.left_, *right = node.right_, *up = node.up_;
        if (right != nullptr) {
            left->up_ = right->up_ = nullptr;
            left = meld(left, right);
        }
        if (left != nullptr)
            left->up_ = up;
        if (up == nullptr) {
            root_ = left;
            return;
        }
        (up->left_ == &node ? up->left_ : up->right_) = left;
        while (up != nullptr && settle(*up))
            up = up->up_;
    }

  private:
    static std::uint32_t rank(const DeadlineNode* node) { return node == nullptr ? 0 : node->rank_; }
    // Puts a node's children in order of rank. True if its own rank changed.
    static bool settle(DeadlineNode& node) {
        if (rank(node.left_) < rank(node.right_))
            std::swap(node.left_, node.right_);
        return std::exchange(node.rank_, rank(node.right_) + 1) != node.rank_;
    }
    // Two heaps become one.
    static DeadlineNode* meld(DeadlineNode* a, DeadlineNode* b) {
        if (*b < *a)
            std::swap(a, b);
        DeadlineNode* at = a;
        for (; at->right_ != nullptr; at = at->right_) {
            if (*b < *at->right_) {
                std::swap(at->right_, b);
                at->right_->up_ = at;
            }
        }
        at->right_ = b;
        b->up_ = at;
        for (; at != nullptr; at = at->up_)
            settle(*at);
        return a;
    }

    DeadlineNode* root_ = nullptr;
    std::uint64_t inserted_ = 0;
};

} // namespace bulkhead::host
