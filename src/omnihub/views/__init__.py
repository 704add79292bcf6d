"""Views: topics folded into SQL for the API, and the questions asked of them."""
