// A visitor made of lambdas: std::visit(Overloaded{[](A&) {...}, [](B&) {...}}, variant).
#pragma once

namespace baton {

template <typename... Callables>
struct Overloaded : Callables... {
    using Callables::operator()...;
};
template <typename... Callables>
Overloaded(Callables...) -> Overloaded<Callables...>;

} // namespace baton
