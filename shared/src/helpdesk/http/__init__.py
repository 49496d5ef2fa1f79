"""HTTP as the contract wants it: wire shapes, problem details, headers, health."""
