"""infinibay: a GraphQL server for the whole life of virtual machines on a KVM host."""
