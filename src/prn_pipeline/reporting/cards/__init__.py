"""The cards of a report: each draws one figure or table and says when it has nothing to show."""
