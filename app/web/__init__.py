"""HTTP only: one URL prefix, one file. Views translate; decisions are made further down."""
