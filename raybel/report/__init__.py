"""What a person looks at: pages, each one HTML file that needs nothing but itself."""
